// One enrollment, from the link to its result (docs/protocol.md 4): the links and the
// waiting around enroll.js. What goes wrong is thrown as the name of a text.
import { newDeviceKeys } from "./crypto.js";
import { codeOf, makeClaim, meetingOf, openCommit, openDone, openHost, recordOf } from "./enroll.js";
import { Refusal } from "./errors.js";
import * as keep from "./keys.js";
import { now } from "./keys.js";
import { envelopeOf, openLink } from "./link.js";
import { parseLink, relayName } from "./link-text.js";

/** @import { Bytes } from "./bytes.js" */
/** @import { EnrollHost } from "./wire.js" */

const READY_SECONDS = 20, REPLY_SECONDS = 30, LIFE_SECONDS = 300;

/** @param {string} code @returns {never} */
function fail(code) {
  throw new Refusal("not_verified", code);
}
/** @template T @param {Promise<T>} wait @param {number} seconds @param {string} otherwise @returns {Promise<T>} */
const within = (wait, seconds, otherwise) =>
  new Promise((done, fail) => {
    const late = setTimeout(() => fail(new Refusal("not_verified", otherwise)), 1000 * Math.max(seconds, 0));
    wait.then(done, fail).finally(() => clearTimeout(late));
  });

/** @typedef {{id: Bytes, public_key: Bytes, algorithm: number, counter: number}} Credential */
/**
 * @param {string} text the link @param {{label: string, credential: Credential | null}} about
 * @param {{reload: () => Promise<void>, untilReady: (url: string, seconds: number) => Promise<boolean>}} session
 * @param {{trust: (host: EnrollHost, relay: string) => Promise<void>, code: (code: string, host: EnrollHost) => void, canceled: Promise<never>}} person
 */
export async function enroll(text, { label, credential }, session, person) {
  const { secret, relay } = parseLink(text), meeting = await meetingOf(secret);
  const keys = await newDeviceKeys().catch(() => fail("no_keys"));
  if (!(await keep.canKeep(keys))) fail("no_keys");
  /** @type {Bytes[]} */
  const inbox = [];
  let arrived = () => {};
  /** @type {any} */
  let claimed = null;
  const next = async (/** @type {number} */ seconds, /** @type {string} */ otherwise) => {
    const some = inbox.length ? Promise.resolve() : new Promise((done) => (arrived = () => done(undefined)));
    await within(Promise.race([some, person.canceled]), seconds, otherwise);
    return /** @type {Bytes} */ (inbox.shift());
  };
  let isReady = () => {};
  const ready = new Promise((done) => (isReady = () => done(undefined)));
  const seen = new Set();
  const link = openLink(relay, [{ pair: meeting.pair, senders: null }], {
    async onEnvelope({ id, sealed }) {
      if (seen.has(String(id))) return true;
      seen.add(String(id));
      inbox.push(sealed);
      arrived();
      return true;
    },
    onState({ state }) {
      if (state !== "ready") return;
      isReady();
      if (claimed) link.send(claimed); // may have been lost with the link; a double is dropped
    },
  });
  let saved = "";
  try {
    await within(Promise.race([ready, person.canceled]), READY_SECONDS, "relay_down");
    const commitment = await openCommit(meeting, await next(REPLY_SECONDS, "no_host"));
    const capabilities = credential ? ["webauthn"] : [];
    const claim = await makeClaim(meeting, commitment, keys, { label, capabilities, credential });
    const { mailbox } = meeting;
    claimed = envelopeOf({ from: mailbox, to: mailbox, lifetime: LIFE_SECONDS, sealed: claim.sealed });
    const end = now() + LIFE_SECONDS;
    link.send(claimed);
    const host = await openHost(meeting, claim, keys, await next(REPLY_SECONDS, "used_link")).catch((error) =>
      error.kind === "not_opened" ? fail("used_link") : Promise.reject(error),
    );
    if (host.verification === "required" && !credential) fail("must_verify");
    await within(Promise.race([person.trust(host, relay), person.canceled]), end - now(), "expired");
    const record = await recordOf(host, keys, label, Math.floor(now()));
    const relays = [...new Set(host.relays.map(relayName))];
    const own = { name: host.host_name, relay, last_seen: 0, credential: credential?.id ?? null };
    await keep.saveHost({ ...record, ...own, relays }, keys);
    saved = keep.idOf(host);
    await session.reload();
    // The digits come when our own mailbox is open, so that nothing the host sends is lost.
    if (!(await session.untilReady(relays.includes(relay) ? relay : relays[0], READY_SECONDS))) fail("relay_down");
    person.code(await codeOf(claim, host), host);
    const { result } = await openDone(meeting, keys, host, await next(end - now(), "expired"));
    if (result !== "active") fail(result);
    await keep.change(`host:${saved}`, (old) => ({ ...old, status: "active" }));
    saved = "";
    return host;
  } finally {
    link.close();
    if (saved) await keep.removeHost(saved); // keys of an enrollment that never was
    await session.reload();
  }
}
