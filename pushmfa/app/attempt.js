// What a device does with an enrollment (docs/protocol.md 5 and 6). The relay, other
// hosts and the network may send anything; only what this host sealed to this
// enrollment and signed comes out of here.
import { equal } from "./bytes.js";
import { open, seal, sealingInfo, sha256, sign, signedMessage, verify } from "./crypto.js";
import { malformed, must } from "./errors.js";
import { readJson } from "./json.js";
import { answer, PROTOCOL_VERSION, statements, toDevice, toHost } from "./wire.js";

/** @import { Bytes } from "./bytes.js" */
/** @import { DeviceKeys } from "./crypto.js" */
/** @import { Enrollment } from "./enroll.js" */
/** @import { Asked, Choice } from "./cards.js" */
/** @import { Assertion, Envelope } from "./wire.js" */

/**
 * What the host says. A failure changes nothing, and is nothing to show to a person.
 * @param {Enrollment} enrollment @param {DeviceKeys} keys @param {Pick<Envelope, "from" | "to" | "sealed">} envelope
 */
export async function openToDevice({ host_id, device_id, mailbox, device_mailbox, verify_key, version }, keys, envelope) {
  must(equal(envelope.from, mailbox) && equal(envelope.to, device_mailbox), "other_mailbox");
  // With the names recorded here, never with those that the envelope says.
  const info = sealingInfo("to-device", host_id, device_id, mailbox, device_mailbox);
  const { statement: raw, signature } = toDevice.decode(await open(keys.sealing, info, envelope.sealed));
  // Only the type is read before the signature, for the label. None of an enrollment is for here.
  // Attack: a type that is no text, and throws something else than a refusal when made one.
  const { type } = Object(readJson(raw, raw.length));
  const known = typeof type === "string" && Object.hasOwn(statements, type) ? /** @type {keyof typeof statements} */ (type) : malformed("type");
  await verify(known, verify_key, raw, signature);
  const statement = statements[known].decode(raw);
  must(equal(statement.host_id, host_id) && equal(statement.device_id, device_id), "other_enrollment");
  must(statement.version >= version && statement.version === PROTOCOL_VERSION, "other_version");
  return { statement, raw };
}

/**
 * The sealed answer to a challenge that `openToDevice` returned. `assert` makes a
 * WebAuthn assertion over 32 bytes: then the answer says that its holder was verified.
 * @param {Enrollment} enrollment @param {DeviceKeys} keys @param {Asked} asked @param {Choice} choice
 * @param {{counter: number, device_time: number}} now @param {(challenge: Bytes) => Promise<Assertion>} [assert]
 */
export async function makeAnswer(enrollment, keys, { statement: asked, raw }, choice, now, assert) {
  const { host_id, device_id, mailbox, device_mailbox } = enrollment;
  if (choice.decision === "approval") checkNumber(choice.number, asked.digits);
  const statement = answer.encode({
    type: "answer",
    version: PROTOCOL_VERSION,
    challenge_id: asked.challenge_id,
    challenge_sha256: await sha256(raw), // so that it names all that was shown
    host_id,
    device_id,
    approver: asked.approver,
    reason: null,
    number: null,
    ...choice,
    verification: assert ? "webauthn" : "none",
    grant: 0,
    ...now,
    // Not only this challenge's: a host whose state was set back learns of it.
    epoch: Math.max(asked.epoch, enrollment.epoch),
  });
  const payload = toHost.encode({
    type: "to-host",
    statement,
    signature: await sign("answer", keys.identity, statement),
    assertion: assert ? await assert(await sha256(signedMessage("webauthn", statement))) : null,
  });
  return seal(enrollment.sealing_key, sealingInfo("to-host", host_id, device_id, device_mailbox, mailbox), payload);
}

/** ASCII digits, since other scripts have digits too. @param {string} number @param {number} digits */
export function checkNumber(number, digits) {
  if (!/^[0-9]+$/.test(number) || number.length !== digits) malformed("digits");
}
