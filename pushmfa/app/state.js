// What the app knows and shows: plain data, and one pure step for everything that happens.
import { encodeBase64url } from "./bytes.js";
import { addCard, dropCards, endCard, expireCards, markSent } from "./cards.js";

/** @import { Asked, Card, Choice, Ended, Expired, Sent, Waiting } from "./cards.js" */
/** @import { Host, Note } from "./keys.js" */
/** @import { Envelope, Outcome } from "./wire.js" */
/** @typedef {Waiting | Sent | Ended | Expired} Shown */
/**
 * @typedef {{at: "link", error?: string, params?: Record<string, string>}
 *   | {at: "install", link: string} | {at: "about", link: string, error?: string} | {at: "connecting"}
 *   | {at: "trust", host: string, user: string, key: string, relay: string}
 *   | {at: "code", code: string, host: string, user: string}
 *   | {at: "done", host: string} | {at: "failed", error: string}} Step
 */
/**
 * @typedef {{screen: "home"} | {screen: "card", key: string} | {screen: "hosts"} | {screen: "host", id: string}
 *   | {screen: "history"} | {screen: "stale"} | {screen: "elsewhere"} | {screen: "enroll", step: Step}} View
 */
/** @typedef {"off" | "on" | "blocked" | "unsupported"} PushState */
/** @typedef {{view: View, cards: Card[], hosts: Host[], notes: Note[], links: Record<string, string>, push: PushState, tested: string, isKept: boolean, isUpdated: boolean, details: boolean}} Model */
/**
 * @typedef {{type: "go", view: View} | {type: "asked", asked: Asked, lifetime: number} | {type: "answered", card: Waiting, choice: Choice, envelope: Envelope}
 *   | {type: "ended", outcome: Outcome} | {type: "tick"} | {type: "hosts", hosts: Host[]} | {type: "forget", host: Host}
 *   | {type: "link", url: string, state: string} | {type: "is", change: Partial<Model>}} Happening
 */

/** @type {Model} */
export const START = {
  view: { screen: "home" }, cards: [], hosts: [], notes: [], links: {},
  push: "off", tested: "", isKept: true, isUpdated: false, details: false,
};

/** @param {Card} card @returns {card is Shown} */
export const isShown = (card) => card.state !== "early";
/** @param {Model} model */
export const waiting = ({ cards }) => /** @type {Waiting[]} */ (cards.filter(({ state }) => state === "waiting"));
/** @param {Model} model @param {string} key @returns {Shown | undefined} */
export const cardOf = ({ cards }, key) => cards.filter(isShown).find((card) => card.key === key);
/** @param {Model} model @param {{device_id: Uint8Array}} of @returns {Host | undefined} */
export const hostOf = ({ hosts }, { device_id }) => {
  const id = encodeBase64url(device_id);
  return hosts.find((host) => encodeBase64url(host.device_id) === id);
};
/** How an attempt ended, as the name of a text. @param {Shown} card */
export function endOf(card) {
  if (card.state === "sent") return "sent";
  if (card.state === "waiting") return "waiting";
  if (card.state === "expired") return card.choice ? "unheard" : "expired";
  const { verdict, cause, by_this_device: own, press_enter } = card.outcome;
  if (verdict === "approved") return own ? (press_enter ? "approved_enter" : "approved") : cause === "device" ? "approved_other" : "approved_terminal";
  if (verdict === "denied") return own ? (cause === "not_me" ? "not_me" : "denied") : "denied_other";
  if (verdict === "wrong_number") return own ? "wrong" : "wrong_other";
  if (verdict === "expired" || verdict === "canceled") return verdict;
  return verdict === "throttled" || verdict === "locked" ? "locked" : "unavailable";
}

/** @param {Model} model @param {Happening} happening @param {number} now in seconds @returns {Model} */
export function step(model, happening, now) {
  switch (happening.type) {
    case "go":
      return { ...model, view: happening.view };
    case "asked": {
      const cards = addCard(model.cards, happening.asked, happening.lifetime, now);
      return cards === model.cards ? model : settle({ ...model, cards });
    }
    case "answered":
      return { ...model, cards: markSent(model.cards, happening.card, happening.choice, happening.envelope) };
    case "ended":
      return { ...model, cards: endCard(model.cards, happening.outcome) };
    case "tick": {
      const cards = expireCards(model.cards, now);
      return cards.every((card, at) => card === model.cards[at]) ? model : { ...model, cards };
    }
    case "hosts":
      return { ...model, hosts: happening.hosts };
    case "forget": {
      const cards = dropCards(model.cards, happening.host.device_id), { view } = model;
      const isGone = view.screen === "card" && !cards.some(({ key }) => key === view.key);
      return { ...model, cards, view: isGone ? { screen: "home" } : view };
    }
    case "link":
      return { ...model, links: { ...model.links, [happening.url]: happening.state } };
    case "is":
      return { ...model, ...happening.change };
  }
}

/** A login that came alone opens itself; the second never takes the screen from the first. @param {Model} model @returns {Model} */
function settle(model) {
  const [first, ...others] = waiting(model), { screen } = model.view;
  if (!first || others.length || (screen !== "home" && screen !== "stale")) return model;
  return { ...model, view: { screen: "card", key: first.key } };
}
/** The view of somebody who wants to see what waits. @param {Model} model @returns {View} */
export function nextView(model) {
  const all = waiting(model);
  return all.length === 1 ? { screen: "card", key: all[0].key } : { screen: "home" };
}
