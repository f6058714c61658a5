// The cards on the screen: each challenge is one, and a newer never replaces an older.
//
//     waiting -> sent -> ended          answered, and the host signed how it ended
//        |         +--> expired         answered, and nothing was heard
//        +--> ended                     answered elsewhere, or canceled
//        +--> expired                   nobody answered
//     early                             the end came before the challenge, which must not ask
//
// Plain data, oldest first, and pure functions; times are in seconds.
import { encodeBase64url, equal } from "./bytes.js";

/** @import { Bytes } from "./bytes.js" */
/** @import { Challenge, Envelope, Outcome } from "./wire.js" */
/** @typedef {{statement: Challenge, raw: Bytes}} Asked a challenge, and its exact bytes */
/** @typedef {{decision: "approval", number: string} | {decision: "denial", reason: "cancel" | "not_me"}} Choice */
/** @typedef {{key: string, device_id: Bytes}} Named */
/** @typedef {Named & Asked & {expires_at: number}} Base */
/** @typedef {Base & {state: "waiting"}} Waiting */
/** @typedef {Base & {state: "sent", choice: Choice, envelope: Envelope}} Sent */
/** @typedef {Base & {state: "ended", choice?: Choice, outcome: Outcome}} Ended */
/** @typedef {Base & {state: "expired", choice?: Choice}} Expired */
/** @typedef {Waiting | Sent | Ended | Expired | Named & {state: "early"}} Card */

const MAX_WAITING = 16; // of one enrollment: a host that sends more only hurts itself
const MAX_CLOSED = 256;
const OUTCOME_GRACE = 5; // that a sent answer may wait for its outcome

/** @param {{device_id: Bytes, challenge_id: Bytes}} statement */
const keyOf = (statement) => `${encodeBase64url(statement.device_id)}.${encodeBase64url(statement.challenge_id)}`;
/** @param {{expires_at: number}} card @param {number} now */
export const secondsLeft = (card, now) => Math.max(Math.floor(card.expires_at - now), 0);

/** @param {Card[]} cards @param {Card} card @returns {Card[]} */
function put(cards, card) {
  const at = cards.findIndex(({ key }) => key === card.key), next = at < 0 ? [...cards, card] : cards.with(at, card);
  const closed = next.filter(({ state }) => state !== "waiting" && state !== "sent");
  return closed.length > MAX_CLOSED ? next.filter((other) => other !== closed[0]) : next;
}

/**
 * The same cards if the challenge is known, over, or one too many.
 * @param {Card[]} cards @param {Asked} asked @param {number} lifetime that the envelope has left @param {number} now
 */
export function addCard(cards, { statement, raw }, lifetime, now) {
  const key = keyOf(statement), { device_id } = statement;
  const others = cards.filter((card) => card.state === "waiting" && equal(card.device_id, device_id));
  if (cards.some((card) => card.key === key) || others.length >= MAX_WAITING) return cards;
  const expires_at = now + Math.min(statement.lifetime, lifetime);
  return put(cards, { state: "waiting", key, device_id, statement, raw, expires_at });
}

/** @param {Card[]} cards @param {Waiting} card @param {Choice} choice @param {Envelope} envelope */
export const markSent = (cards, card, choice, envelope) => put(cards, { ...card, state: "sent", choice, envelope });

/** @param {Card[]} cards @param {Outcome} outcome */
export function endCard(cards, outcome) {
  const key = keyOf(outcome), card = cards.find((known) => known.key === key);
  if (!card) return put(cards, { state: "early", key, device_id: outcome.device_id });
  return card.state === "early" || card.state === "ended" ? cards : put(cards, { ...card, state: "ended", outcome });
}

/** @param {Card[]} cards @param {number} now @returns {Card[]} */
export const expireCards = (cards, now) =>
  cards.map((card) => {
    const grace = { waiting: 0, sent: OUTCOME_GRACE, ended: NaN, expired: NaN, early: NaN }[card.state];
    return "expires_at" in card && now >= card.expires_at + grace ? { ...card, state: "expired" } : card;
  });

/** Forgets those of an enrollment that is revoked. @param {Card[]} cards @param {Bytes} device_id */
export const dropCards = (cards, device_id) => cards.filter((card) => !equal(card.device_id, device_id));
