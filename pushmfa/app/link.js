// A link to one relay (docs/protocol.md 3): dialed again after it broke, with back-off.
// Who listens at the other end decides nothing: what it sends is opened and verified elsewhere.
import { fromUtf8, utf8 } from "./bytes.js";
import { mailboxOf, sign } from "./crypto.js";
import { newEnvelope, peerFrame, PROTOCOL_VERSION, relayFrame, relayHello } from "./wire.js";

/** @import { Bytes } from "./bytes.js" */
/** @import { KeyPair } from "./crypto.js" */
/** @import { Envelope } from "./wire.js" */
/** @typedef {{pair: KeyPair, senders: Bytes[] | null}} OpenMailbox senders: from whom it takes envelopes; null for a meeting mailbox */
/** @typedef {"dialing" | "ready" | "down" | "refused"} LinkState */
/** @typedef {{send: (frame: any) => boolean, dialNow: (anew?: boolean) => void, close: () => void, state: LinkState, url: string}} Link */

export const MAX_MAILBOXES = 64;
const HELLO_SECONDS = 10;

/** Seconds before the n-th try: from the whole range, or all phones come back at once. @param {number} tries @param {number} draw from 0 to 1 */
export const delayBefore = (tries, draw) => draw * Math.min(60, 0.5 * 2 ** Math.min(tries, 16));

/** @param {{from: Bytes, to: Bytes, lifetime: number, sealed: Bytes}} fields */
export const envelopeOf = (fields) => newEnvelope(fields);

/**
 * @param {string} url its name @param {OpenMailbox[]} mailboxes at most 64
 * @param {{onEnvelope: (envelope: Envelope, isStored: boolean) => Promise<boolean>, onState: (link: Link) => void, onFrame?: (frame: any) => void}} to
 *   onEnvelope says, when it is over, whether the envelope is kept: only then the relay may forget it
 * @returns {Link}
 */
export function openLink(url, mailboxes, { onEnvelope, onState, onFrame }) {
  /** @type {WebSocket | null} */
  let socket = null;
  /** @type {Bytes[]} */
  let ids = [];
  let timer = 0, tries = 0, dialedAt = 0, isClosed = false;

  /** @type {Link} */
  const link = {
    url,
    state: "dialing",
    send(frame) {
      if (link.state !== "ready") return false;
      socket?.send(fromUtf8(peerFrame.encode(frame)));
      return true;
    },
    // A phone's connection may be dead without anybody knowing: `anew` does not trust it.
    dialNow(anew = false) {
      if (isClosed || Date.now() - dialedAt < 1000 || (socket && !anew)) return;
      tries = 0;
      drop();
      dial();
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      drop();
    },
  };

  /** @param {LinkState} state */
  function become(state) {
    link.state = state;
    if (!isClosed) onState(link);
  }
  function drop() {
    const old = socket;
    socket = null;
    old?.close();
  }
  /** @param {LinkState} [state] */
  function broken(state = "down") {
    drop();
    clearTimeout(timer);
    if (isClosed) return;
    timer = setTimeout(dial, 1000 * delayBefore(++tries, Math.random()));
    become(state);
  }
  function dial() {
    clearTimeout(timer);
    if (isClosed) return;
    dialedAt = Date.now();
    let own;
    try {
      own = socket = new WebSocket(`${url}/v1/link`);
    } catch {
      return broken(); // an address that this page may not dial
    }
    become("dialing");
    timer = setTimeout(() => own === socket && broken(), 1000 * HELLO_SECONDS);
    own.onmessage = ({ data }) => hear(own, data).catch(() => own === socket && broken());
    own.onclose = ({ code }) => own === socket && broken(code === 4401 ? "refused" : "down");
  }

  /** @param {WebSocket} own @param {unknown} data */
  async function hear(own, data) {
    if (own !== socket || typeof data !== "string") return;
    const frame = relayFrame.decode(utf8(data));
    if (frame.type === "greeting") own.send(await hello(frame));
    else if (frame.type === "ready") ready();
    else if (frame.type === "envelope" || frame.type === "stored") {
      const { to, id } = frame;
      const isKept = await onEnvelope({ ...frame, type: "envelope" }, frame.type === "stored");
      if (isKept && own === socket) link.send({ type: "received", mailbox: to, id });
    } else onFrame?.(frame);
  }
  /** @param {{nonce: Bytes}} greeting */
  async function hello({ nonce }) {
    // Of this relay by the name we dialed: another one cannot use it.
    const statement = relayHello.encode({ type: "relay-hello", version: PROTOCOL_VERSION, role: "device", relay: url, nonce });
    const proofs = mailboxes.map(async ({ pair }) => ({ key: pair.publicKey, signature: await sign("relay-hello", pair, statement) }));
    ids = await Promise.all(mailboxes.map(({ pair }) => mailboxOf(pair.publicKey)));
    const signed = await Promise.all(proofs);
    return fromUtf8(peerFrame.encode({ type: "hello", statement, mailboxes: signed, features: ["wakeup"], invitation: null }));
  }
  function ready() {
    clearTimeout(timer);
    tries = 0;
    link.state = "ready";
    mailboxes.forEach(({ senders }, at) => senders && link.send({ type: "allow", mailbox: ids[at], senders }));
    become(link.state);
  }
  dial();
  return link;
}
