// What a device reads and writes, with the names and limits of docs/protocol.md 3 to 6.
import { randomBytes } from "./bytes.js";
import { malformed } from "./errors.js";
import { b64, anyOf, codec, flag, int, list, matching, message, object, oneOf, orNull, text } from "./shape.js";

/** @template {{decode: (raw: any) => any}} C @typedef {ReturnType<C["decode"]>} Of */
/** @typedef {Of<typeof challenge>} Challenge */
/** @typedef {NonNullable<Challenge["command"]>} Command */
/** @typedef {Of<typeof outcome>} Outcome */
/** @typedef {Of<typeof enrollHost>} EnrollHost */
/** @typedef {Extract<Of<typeof peerFrame>, {type: "envelope"}>} Envelope */
/** @typedef {ReturnType<typeof assertion>} Assertion */
/** @typedef {ReturnType<typeof credential>} Credential */

export const PROTOCOL_VERSION = 1;
const MAX_FRAME = 16_384, MAX_STATEMENT = 8_192, MAX_PAYLOAD = 11_000;

const version = int(1, 65_535), versions = list(version, 1, 16);
const word = matching(/^[a-z][a-z0-9_-]{0,31}$/), features = list(word, 0, 32);
const at = int(0, 253_402_300_799), count = int(0, 2 ** 53 - 1), uid = int(0, 2 ** 32 - 2), grant = int(0, 43_200);
const id = b64(16), mailbox = id, key = b64(32), host_id = key, device_id = key, nonce = key, challenge_id = key;
const point = b64(65), signature = b64(64), statement = b64(2, MAX_STATEMENT);
const name = text(1, 255), label = text(1, 64), line = text(0, 500);
const verification = oneOf("none required");

// --- frames: 3 ---

const envelope = { id, to: id, from: id, lifetime: int(1, 604_800), sealed: b64(28, 11_264) };
export const peerFrame = codec(MAX_FRAME, anyOf({
  hello: {
    statement: b64(2, 1_024), mailboxes: list(object({ key, signature }), 1, 64), features,
    invitation: orNull(text(1, 128)),
  },
  allow: { mailbox, senders: list(id, 0, 256) },
  envelope,
  quiet: envelope,
  received: { mailbox, id },
  withdraw: { id, to: id, from: id },
  subscription: { mailbox, push: orNull(object({ endpoint: text(1, 2_048), p256dh: point, auth: id })) },
  "try-wakeup": { mailbox },
}));
export const relayFrame = codec(MAX_FRAME, anyOf({
  greeting: { versions, nonce, features },
  ready: {},
  envelope,
  stored: envelope,
  accepted: { id, wakeup: oneOf("sent none gone") },
  refused: { id, reason: oneOf("not_open not_allowed mailbox_full too_many") },
  "wakeup-key": { key: point },
  "wakeup-result": { mailbox, result: oneOf("kept removed refused sent gone failed none") },
}));

/** With a new id. @param {Omit<Envelope, "type" | "id">} fields @returns {Envelope} */
export const newEnvelope = (fields) => ({ type: "envelope", id: randomBytes(16), ...fields });

// --- statements, which are signed: who gets one verifies its bytes, then decodes them ---

/** @template {string} K @template {import("./shape.js").Fields} F @param {K} type @param {F} fields */
const signed = (type, fields) => codec(MAX_STATEMENT, message(type, { version, ...fields }));

export const relayHello = codec(1_024, message("relay-hello", { version, role: oneOf("host device"), relay: name, nonce }));

const keys = { verify_key: key, sealing_key: point, mailbox, nonce };
/** Of COSE: ES256, EdDSA, RS256. @param {any} value @returns {number} */
const algorithm = (value) => ([-7, -8, -257].includes(value) ? value : malformed("algorithm"));
const credential = object({ id: b64(1, 1_023), public_key: b64(1, 1_024), algorithm, counter: int(0, 2 ** 32 - 1) });
export const enrollDevice = signed("enroll-device", {
  versions, commitment: key, ...keys, label, kind: oneOf("app terminal"), capabilities: list(word, 0, 16),
  credential: orNull(credential),
});
export const enrollHost = signed("enroll-host", {
  versions, claim_sha256: key, host_id, device_id, ...keys, host_name: name, user: name, uid,
  relays: list(text(6, 255), 1, 3), verification, epoch: count, issuer: orNull(key),
});
export const enrollDone = signed("enroll-done", {
  host_id, device_id, claim_sha256: key, result: oneOf("active wrong_code expired canceled"), at,
});

const challenge = signed("challenge", {
  versions, challenge_id, kind: oneOf("login sudo su test confirm enroll revoke grant unlock"), host_id, device_id,
  host_name: name, user: name, uid, approver: name, requesting_user: orNull(name), service: name,
  first_factor: orNull(object({ method: word, fingerprint: orNull(name) })),
  command: orNull(object({ head: b64(0, 2_048), tail: b64(0, 2_048), length: int(0, 32_768), sha256: key })),
  text: orNull(text(1, 2_000)), tty: orNull(line), remote_address: orNull(text(2, 64)), remote_notes: list(line, 0, 8),
  issued_at: at, lifetime: int(1, 600), digits: int(2, 8), verification, grant_offered: grant,
  others_pending: int(0, 100), risk: list(word, 0, 16), epoch: count,
});
export const answer = signed("answer", {
  challenge_id, challenge_sha256: key, host_id, device_id, approver: name,
  decision: oneOf("approval denial"), reason: orNull(oneOf("cancel not_me")),
  number: orNull(matching(/^[0-9]{2,8}$/)), verification: oneOf("none passphrase webauthn"),
  grant, counter: count, device_time: at, epoch: count,
});
const outcome = signed("outcome", {
  challenge_id, host_id, device_id,
  verdict: oneOf("approved denied wrong_number expired canceled throttled locked not_enrolled unavailable"),
  cause: oneOf(
    "device totp recovery_code bypass_code ticket offline grant exempt unreachable_allowed unenrolled_allowed " +
    "cancel not_me wrong_number no_answer hangup limit locked not_enrolled no_verification wrong_code relay_unreachable " +
    "no_first_factor not_permitted misconfigured internal",
  ),
  by_this_device: flag, press_enter: flag, at,
});
/** What a host says to a device that is enrolled. */
export const statements = {
  challenge,
  outcome,
  notice: signed("notice", {
    host_id, device_id, notice_id: nonce, kind: oneOf("device_enrolled device_revoked device_renamed device_lost"),
    subject_id: key, subject_label: label, by: name, at,
  }),
  revoked: signed("revoked", { host_id, device_id, at }),
};

// --- payloads: what is sealed or enclosed ---

const assertion = object({
  credential_id: b64(1, 1_023), authenticator_data: b64(37, 1_024),
  client_data: b64(2, 2_048), signature: b64(1, 1_024),
});
export const toDevice = codec(MAX_PAYLOAD, message("to-device", { statement, signature }));
export const toHost = codec(MAX_PAYLOAD, message("to-host", { statement, signature, assertion: orNull(assertion) }));
export const enrollCommit = codec(1_024, message("enroll-commit", { version, versions, commitment: key }));
export const enrollClaim = codec(MAX_PAYLOAD, message("enroll-claim", { statement, signature }));
