// The device at work: its enrollments, the links to their relays, and what comes over them.
import { makeAnswer, openToDevice } from "./attempt.js";
import { encodeBase64url, equal } from "./bytes.js";
import { secondsLeft } from "./cards.js";
import { Refusal } from "./errors.js";
import * as keep from "./keys.js";
import { now } from "./keys.js";
import { envelopeOf, MAX_MAILBOXES, openLink } from "./link.js";
import * as push from "./push.js";
import { cardOf, hostOf, nextView, waiting } from "./state.js";
import { assertWith } from "./webauthn.js";

/** @import { Choice, Waiting } from "./cards.js" */
/** @import { DeviceKeys } from "./crypto.js" */
/** @import { Host } from "./keys.js" */
/** @import { Link } from "./link.js" */
/** @import { Happening, Model, View } from "./state.js" */
/** @import { Envelope } from "./wire.js" */

const SETTLE_MS = 300; // a challenge that waited at the relay: its end may wait behind it
const DAY = 86_400, MAX_NOTES = 50, LEFTOVER = 600;

/** @typedef {ReturnType<typeof newSession>} Session */
/** @param {{model: Model, happen: (happening: Happening) => void, details: (card: Waiting, envelope: Envelope) => void}} app */
export function newSession(app) {
  /** @type {Map<string, DeviceKeys>} */
  const keys = new Map();
  /** @type {Link[]} */
  let links = [];
  /** @type {Map<string, Uint8Array<ArrayBuffer>>} the keys of relays that can push, by their URL */
  const wakeupKeys = new Map();
  let wanted = "";

  /** @param {Host} host */
  const linksOf = (host) => links.filter(({ url }) => host.relays.includes(url));
  /** @param {Happening} happening */
  async function happenAndKeep(happening) {
    app.happen(happening);
    await keep.put({ cards: app.model.cards });
  }

  /** Of an enrollment, on the disk and here. @param {string} id @param {(old: Host) => Host} to */
  async function update(id, to) {
    const changed = /** @type {Host | undefined} */ (await keep.change(`host:${id}`, to));
    const hosts = app.model.hosts.map((host) => (changed && keep.idOf(host) === id ? { ...host, ...changed } : host));
    app.happen({ type: "hosts", hosts });
    return changed;
  }

  async function start() {
    const hosts = (await keep.entries("host:")).map(([, host]) => /** @type {Host} */ (host));
    for (const host of hosts.filter(({ status, enrolled_at }) => status === "pending" && enrolled_at < now() - LEFTOVER)) {
      await keep.removeHost(keep.idOf(host)); // closed in the middle of an enrollment
    }
    const old = (await keep.entries("seen:")).filter(([, { until }]) => until + DAY < now());
    await keep.remove(old.map(([key]) => key));
    const [cards = [], notes = [], details = false] = await Promise.all(["cards", "notes", "details"].map(keep.get));
    const known = hosts.filter(({ status }) => status !== "pending");
    app.happen({ type: "is", change: { hosts: known, cards, notes, details } }); // at once: a card is told with its host
    app.happen({ type: "tick" });
    await reload();
  }

  /** Reads the enrollments again, and dials for them. */
  async function reload() {
    const all = (await keep.entries("host:")).map(([, host]) => /** @type {Host} */ (host));
    for (const host of all.filter(({ status }) => status !== "revoked")) {
      const found = keys.get(keep.idOf(host)) ?? (await keep.loadKeys(keep.idOf(host)));
      if (found) keys.set(keep.idOf(host), found);
    }
    app.happen({ type: "hosts", hosts: all.filter(({ status }) => status !== "pending").map((host) => ({ ...host, isLost: host.status === "active" && !keys.has(keep.idOf(host)) })) });
    for (const link of links) link.close();
    links = [];
    const live = all.filter((host) => host.status !== "revoked" && keys.has(keep.idOf(host)));
    for (const url of new Set(live.flatMap(({ relays }) => relays))) {
      const here = live.filter(({ relays }) => relays.includes(url));
      for (let at = 0; at < here.length; at += MAX_MAILBOXES) {
        const mailboxes = here.slice(at, at + MAX_MAILBOXES).map((host) => ({
          pair: /** @type {DeviceKeys} */ (keys.get(keep.idOf(host))).relay,
          senders: [host.mailbox],
        }));
        links.push(openLink(url, mailboxes, { onEnvelope: take, onState: note, onFrame: (frame) => hear(url, frame) }));
      }
    }
  }

  /** @param {Link} link */
  function note(link) {
    app.happen({ type: "link", url: link.url, state: link.state });
    if (link.state !== "ready") return;
    // An answer may have been lost with the link; the same again is dropped as a double.
    for (const card of app.model.cards) {
      if (card.state !== "sent" || !secondsLeft(card, now())) continue;
      const host = hostOf(app.model, card);
      if (host?.relays.includes(link.url)) link.send(card.envelope);
    }
    if (wanted) setTimeout(() => showWoken(true), 3 * SETTLE_MS);
  }

  /** @param {Envelope} envelope @param {boolean} isStored */
  async function take(envelope, isStored) {
    const host = app.model.hosts.find(({ device_mailbox }) => equal(device_mailbox, envelope.to));
    const own = host && keys.get(keep.idOf(host));
    if (!host || !own) return false; // of an enrollment under way: it comes again
    // By mailbox: who may write to one must not make another host's disappear by taking their ids.
    const seen = `seen:${encodeBase64url(envelope.to)}.${encodeBase64url(envelope.id)}`;
    if (await keep.get(seen)) return true;
    let card;
    try {
      const opened = await openToDevice(host, own, envelope);
      if (isStored && opened.statement.type === "challenge") await new Promise((done) => setTimeout(done, SETTLE_MS));
      card = await accept(host, opened, envelope);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error; // not kept: the relay sends it again
      // Attack: one relay of several brings garbage first, under the id of a challenge.
      return true;
    }
    await keep.put({ [seen]: { until: now() + envelope.lifetime, card } });
    if (wanted) showWoken(false);
    return true;
  }

  /** @param {Host} host @param {Awaited<ReturnType<typeof openToDevice>>} opened @param {Envelope} envelope */
  async function accept(host, { statement, raw }, envelope) {
    const id = keep.idOf(host);
    await update(id, (old) => ({ ...old, last_seen: Math.floor(now()) }));
    if (statement.type === "challenge") {
      // By its name: another may come while this one goes to the disk.
      const find = () => app.model.cards.find(({ key }) => isOf(key, statement)), isKnown = find();
      await happenAndKeep({ type: "asked", asked: { statement, raw }, lifetime: envelope.lifetime });
      const card = find();
      if (isKnown || card?.state !== "waiting") return undefined;
      await update(id, (old) => ({ ...old, epoch: Math.max(old.epoch, statement.epoch) }));
      app.details(card, envelope);
      return card.key;
    }
    if (statement.type === "outcome") {
      await happenAndKeep({ type: "ended", outcome: statement });
      const over = (await keep.entries("seen:")).find(([, { card }]) => card && isOf(card, statement));
      if (over) push.closeNotification(over[0].split(".")[1]).catch(() => undefined);
    } else if (statement.type === "notice") {
      const { kind, subject_label: label, by, at } = statement, told = encodeBase64url(statement.notice_id);
      // Shown once: the relay may send it again and again, also after it was dismissed.
      if ((await keep.get(`seen:${id}.${told}`)) || app.model.notes.some((note) => note.id === told)) return undefined;
      const notes = [...app.model.notes, { id: told, host: id, kind, label, by, at }].slice(-MAX_NOTES);
      app.happen({ type: "is", change: { notes } }); // before any waiting, or one that comes meanwhile is lost
      await keep.put({ notes, [`seen:${id}.${told}`]: { until: Infinity } });
    } else {
      keys.delete(id); // first in memory: even if the disk refuses, nothing is signed any more
      await happenAndKeep({ type: "forget", host });
      await keep.removeKeys(id);
      await keep.change(`host:${id}`, (old) => ({ ...old, status: "revoked" }));
      await reload();
    }
    return undefined;
  }
  /** @param {string} key @param {{device_id: Uint8Array, challenge_id: Uint8Array}} of */
  const isOf = (key, { device_id, challenge_id }) => key === `${encodeBase64url(device_id)}.${encodeBase64url(challenge_id)}`;

  /** What the person decided; says whether a relay was there to take it. @param {Waiting} card @param {Choice} choice */
  async function answer(card, choice) {
    const host = hostOf(app.model, card), own = host && keys.get(keep.idOf(host));
    if (!host || !own) throw new Refusal("not_verified", "revoked");
    const must = choice.decision === "approval" && card.statement.verification === "required";
    const assert = must && host.credential ? assertWith(host.credential) : undefined;
    // On the disk before it is used.
    const counted = await keep.change(`host:${keep.idOf(host)}`, (old) => ({ ...old, counter: old.counter + 1 }));
    if (!counted) throw new Refusal("not_verified", "revoked");
    const { counter, epoch } = counted;
    const about = { counter, device_time: Math.floor(now()) };
    const sealed = await makeAnswer({ ...host, epoch }, own, card, choice, about, assert);
    const lifetime = secondsLeft(card, now()), current = cardOf(app.model, card.key);
    if (lifetime < 1 || current?.state !== "waiting") return false; // over while a finger was looked for
    const envelope = envelopeOf({ from: host.device_mailbox, to: host.mailbox, lifetime, sealed });
    await happenAndKeep({ type: "answered", card: current, choice, envelope });
    app.happen({ type: "hosts", hosts: app.model.hosts.map((each) => (keep.idOf(each) === keep.idOf(host) ? { ...each, counter } : each)) });
    const isSent = linksOf(host).map((link) => link.send(envelope)).includes(true);
    if (!isSent) dialNow(); // somebody waits for it
    return isSent;
  }

  // --- wake-ups ---

  /** @param {string} url @param {any} frame */
  function hear(url, frame) {
    if (frame.type === "wakeup-key") {
      wakeupKeys.set(url, frame.key);
      subscribe().catch(() => app.happen({ type: "is", change: { push: push.pushState() === "on" ? "off" : push.pushState() } }));
    }
    if (frame.type === "wakeup-result") app.happen({ type: "is", change: { tested: frame.result } });
  }
  /** Tells each relay where to wake this device up. A browser has one subscription, so of one relay: the first. */
  async function subscribe() {
    const [first] = wakeupKeys;
    if (!first) return;
    const state = push.pushState();
    app.happen({ type: "is", change: { push: state } });
    const told = state === "on" ? await push.subscribe(first[1]) : null;
    if (!told) return;
    for (const host of app.model.hosts) tell(host, first[0], { type: "subscription", push: told });
  }
  /** @param {Host} host @param {string} url @param {any} frame */
  const tell = (host, url, frame) =>
    linksOf(host).some((link) => link.url === url && link.send({ ...frame, mailbox: host.device_mailbox }));

  /** @param {Host} host */
  const test = (host) => [...wakeupKeys.keys()].some((url) => tell(host, url, { type: "try-wakeup" }));

  /** Somebody tapped a notification: shows its attempt, or how it ended. @param {string} id */
  function woken(id) {
    wanted = id;
    showWoken(false);
    dialNow(false);
    if (links.some(({ state }) => state === "ready")) setTimeout(() => showWoken(true), 3 * SETTLE_MS);
  }
  /** @param {boolean} isLast */
  async function showWoken(isLast) {
    const id = wanted;
    const seen = (await keep.entries("seen:")).find(([key]) => key.endsWith(`.${id}`));
    const card = seen && cardOf(app.model, seen[1].card);
    if (wanted !== id || !id || !(card || isLast)) return;
    wanted = "";
    if (app.model.view.screen === "enroll") return;
    /** @type {View} */
    const otherwise = waiting(app.model).length ? nextView(app.model) : { screen: "stale" };
    app.happen({ type: "go", view: card ? { screen: "card", key: card.key } : otherwise });
  }

  // --- hosts ---

  /** Also when the host is gone: the relay is told that nobody may write here. @param {Host} host */
  async function removeHost(host) {
    for (const link of linksOf(host)) {
      link.send({ type: "subscription", mailbox: host.device_mailbox, push: null });
      link.send({ type: "allow", mailbox: host.device_mailbox, senders: [] });
    }
    keys.delete(keep.idOf(host));
    await keep.removeHost(keep.idOf(host));
    await happenAndKeep({ type: "forget", host });
    await reload();
  }
  /** @param {Host} host @param {string} name */
  async function rename(host, name) {
    await keep.change(`host:${keep.idOf(host)}`, (old) => ({ ...old, name }));
    await reload();
  }
  /** @param {boolean} [anew] */
  function dialNow(anew) {
    for (const link of links) link.dialNow(anew);
  }
  /** @param {string} url @param {number} seconds */
  async function untilReady(url, seconds) {
    for (const end = now() + seconds; now() < end; await new Promise((done) => setTimeout(done, 50))) {
      if (links.some((link) => link.url === url && link.state === "ready")) return true;
    }
    return false;
  }
  function stop() {
    for (const link of links) link.close();
    links = [];
  }
  return { start, stop, reload, answer, subscribe, test, woken, removeHost, rename, dialNow, untilReady };
}
