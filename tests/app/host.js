// A host, as far as a device notices: made of the same primitives.
import { concat, randomBytes } from "../../pushmfa/app/bytes.js";
import * as crypto from "../../pushmfa/app/crypto.js";
import { commitmentOf, meetingOf, makeClaim, openCommit, openHost, recordOf } from "../../pushmfa/app/enroll.js";
import { enrollClaim, enrollCommit, enrollDevice, enrollDone, enrollHost, statements, toDevice } from "../../pushmfa/app/wire.js";

export async function newHost() {
  const { identity, sealing, relay } = await crypto.newDeviceKeys();
  const nonce = randomBytes(32), mailbox = await crypto.mailboxOf(relay.publicKey);
  return { identity, sealing, mailbox, nonce, id: await crypto.sha256(identity.publicKey) };
}

export const shown = (host) => ({
  verify_key: host.identity.publicKey,
  sealing_key: host.sealing.publicKey,
  nonce: host.nonce,
});

export async function commit(host, meeting, changes = {}) {
  const commitment = await commitmentOf(shown(host));
  const message = { type: "enroll-commit", version: 1, versions: [1], commitment, ...changes };
  return crypto.enclose(meeting.fromHost, "enroll-commit", enrollCommit.encode(message));
}

export async function readClaim(meeting, sealed) {
  const claim = enrollClaim.decode(await crypto.disclose(meeting.fromDevice, "enroll-claim", sealed));
  const device = enrollDevice.decode(claim.statement);
  await crypto.verify("enroll-device", device.verify_key, claim.statement, claim.signature);
  return { device, statement: claim.statement };
}

async function enclosed(host, meeting, device, step, statement) {
  const signature = await crypto.sign(step, host.identity, statement);
  const payload = toDevice.encode({ type: "to-device", statement, signature });
  const deviceId = await crypto.sha256(device.verify_key);
  const info = crypto.sealingInfo("to-device", host.id, deviceId, meeting.mailbox, meeting.mailbox);
  const sealed = concat(host.id, await crypto.seal(device.sealing_key, info, payload));
  return crypto.enclose(meeting.fromHost, step, sealed);
}

export async function reveal(host, meeting, { device, statement }, changes = {}) {
  const message = {
    type: "enroll-host",
    version: 1,
    versions: [1],
    claim_sha256: await crypto.sha256(statement),
    host_id: host.id,
    device_id: await crypto.sha256(device.verify_key),
    ...shown(host),
    mailbox: host.mailbox,
    host_name: "web1.example",
    user: "alice",
    uid: 1000,
    relays: ["wss://relay.example"],
    verification: "none",
    epoch: 7,
    issuer: null,
    ...changes,
  };
  return enclosed(host, meeting, device, "enroll-host", enrollHost.encode(message));
}

export async function finish(host, meeting, { device, statement }, changes = {}) {
  const message = {
    type: "enroll-done",
    version: 1,
    host_id: host.id,
    device_id: await crypto.sha256(device.verify_key),
    claim_sha256: await crypto.sha256(statement),
    result: "active",
    at: 1,
    ...changes,
  };
  return enclosed(host, meeting, device, "enroll-done", enrollDone.encode(message));
}

// A device that is enrolled at a new host.
export async function enrolled() {
  const host = await newHost(), meeting = await meetingOf(randomBytes(16)), keys = await crypto.newDeviceKeys();
  const commitment = await openCommit(meeting, await commit(host, meeting));
  const claim = await makeClaim(meeting, commitment, keys, { label: "Pixel", capabilities: [], credential: null });
  const seen = await readClaim(meeting, claim.sealed);
  const revealed = await openHost(meeting, claim, keys, await reveal(host, meeting, seen));
  return { host, keys, enrollment: await recordOf(revealed, keys, "web1", 1) };
}

export const challenge = ({ host, enrollment }, changes = {}) => ({
  type: "challenge",
  version: 1,
  versions: [1],
  challenge_id: randomBytes(32),
  kind: "login",
  host_id: host.id,
  device_id: enrollment.device_id,
  host_name: "web1.example",
  user: "alice",
  uid: 1000,
  approver: "alice",
  requesting_user: null,
  service: "sshd",
  first_factor: null,
  command: null,
  text: null,
  tty: null,
  remote_address: "192.0.2.7",
  remote_notes: [],
  issued_at: 1,
  lifetime: 60,
  digits: 2,
  verification: "none",
  grant_offered: 0,
  others_pending: 0,
  risk: [],
  epoch: 7,
  ...changes,
});

export const outcomeOf = (asked, changes = {}) => ({
  type: "outcome",
  version: 1,
  challenge_id: asked.challenge_id,
  host_id: asked.host_id,
  device_id: asked.device_id,
  verdict: "approved",
  cause: "device",
  by_this_device: true,
  press_enter: true,
  at: 1,
  ...changes,
});

// An envelope with a statement of the host; `changes` makes it one that must be refused.
export async function send({ host, enrollment }, message, changes = {}) {
  const statement = changes.statement ?? statements[message.type].encode(message);
  const signature = await crypto.sign(changes.label ?? message.type, changes.signer ?? host.identity, statement);
  const payload = toDevice.encode({ type: "to-device", statement, signature });
  const { device_mailbox, mailbox } = enrollment, deviceId = changes.deviceId ?? enrollment.device_id;
  const direction = changes.direction ?? "to-device", to = changes.sealedTo ?? device_mailbox;
  const info = crypto.sealingInfo(direction, host.id, deviceId, mailbox, to);
  const sealed = await crypto.seal(changes.deviceKey, info, payload);
  return { type: "envelope", id: randomBytes(16), from: mailbox, to: device_mailbox, lifetime: 60, sealed, ...changes.envelope };
}

