// The device's side of an enrollment: bytes in, bytes out (docs/protocol.md 4; checks have
// the numbers of 4.4). The host is bound by its commitment before it sees our claim, and
// we before we see what it committed to: nobody in the middle can choose until the six
// digits agree.
import { equal, randomBytes, utf8 } from "./bytes.js";
import { checkKeys, disclose, enclose, linkKey, mailboxOf, open, pairOfSeed, sealingInfo, sha256, sign, verify } from "./crypto.js";
import { malformed, must } from "./errors.js";
import { enrollClaim, enrollCommit, enrollDevice, enrollDone, enrollHost, PROTOCOL_VERSION, toDevice } from "./wire.js";

/** @import { Bytes } from "./bytes.js" */
/** @import { DeviceKeys } from "./crypto.js" */
/** @import { EnrollHost } from "./wire.js" */
/** @typedef {Awaited<ReturnType<typeof meetingOf>>} Meeting */
/** @typedef {{commitment: Bytes, sha256: Bytes}} Claim */
/** @typedef {import("./wire.js").Credential} Credential */
/** @typedef {Pick<EnrollHost, "verify_key" | "sealing_key" | "nonce">} HostKeys */
/** @typedef {Awaited<ReturnType<typeof recordOf>>} Enrollment */

/** Where both meet. @param {Bytes} secret of the link */
export async function meetingOf(secret) {
  const pair = await pairOfSeed(await linkKey(secret, "relay"));
  const fromHost = await linkKey(secret, "from-host"), fromDevice = await linkKey(secret, "from-device");
  return { pair, mailbox: await mailboxOf(pair.publicKey), fromHost, fromDevice };
}

/** The host's commitment. @param {Meeting} meeting @param {Bytes} sealed */
export async function openCommit(meeting, sealed) {
  const commit = enrollCommit.decode(await disclose(meeting.fromHost, "enroll-commit", sealed));
  checkVersions(commit);
  return commit.commitment;
}

/**
 * @param {Meeting} meeting @param {Bytes} commitment @param {DeviceKeys} keys
 * @param {{label: string, capabilities: string[], credential: Credential | null}} about
 */
export async function makeClaim(meeting, commitment, { identity, sealing, relay }, about) {
  const statement = enrollDevice.encode({
    type: "enroll-device",
    version: PROTOCOL_VERSION,
    versions: [PROTOCOL_VERSION],
    commitment,
    verify_key: identity.publicKey,
    sealing_key: sealing.publicKey,
    mailbox: await mailboxOf(relay.publicKey),
    nonce: randomBytes(32),
    kind: "app",
    ...about,
  });
  const signature = await sign("enroll-device", identity, statement);
  const claim = enrollClaim.encode({ type: "enroll-claim", statement, signature });
  const sealed = await enclose(meeting.fromDevice, "enroll-claim", claim);
  return { commitment, sha256: await sha256(statement), sealed };
}

/**
 * What the host reveals; any failure ends the enrollment.
 * @param {Meeting} meeting @param {Claim} claim @param {DeviceKeys} keys @param {Bytes} sealed
 */
export async function openHost(meeting, claim, keys, sealed) {
  const { hostId, deviceId, statement, signature } = await openPayload(meeting, keys, "enroll-host", sealed); // 1, 2
  const host = enrollHost.decode(statement); // 3; the key that signed it is inside
  await verify("enroll-host", host.verify_key, statement, signature); // 4
  const isOfKey = equal(host.host_id, await sha256(host.verify_key)) && equal(host.host_id, hostId);
  must(isOfKey && equal(host.device_id, deviceId), "check_5");
  must(equal(host.claim_sha256, claim.sha256), "check_6");
  // Attack: a relay that knows the secret puts its own keys here.
  must(equal(await commitmentOf(host), claim.commitment), "check_7");
  checkKeys(host.verify_key, host.sealing_key); // 8
  checkVersions(host);
  return host;
}

/** @param {HostKeys} host */
export const commitmentOf = (host) =>
  sha256(utf8("pushmfa/v1 enroll-commit\0"), host.verify_key, host.sealing_key, host.nonce);

/** The six digits, which only the device shows. @param {{sha256: Bytes}} claim @param {HostKeys} host */
export async function codeOf(claim, host) {
  const label = utf8("pushmfa/v1 enroll-code\0");
  const digest = await sha256(label, host.verify_key, host.sealing_key, host.nonce, claim.sha256);
  return String(new DataView(digest.buffer).getBigUint64(0) % 1_000_000n).padStart(6, "0");
}

/** How it ended. @param {Meeting} meeting @param {DeviceKeys} keys @param {EnrollHost} host @param {Bytes} sealed */
export async function openDone(meeting, keys, host, sealed) {
  const { hostId, deviceId, statement, signature } = await openPayload(meeting, keys, "enroll-done", sealed);
  await verify("enroll-done", host.verify_key, statement, signature);
  const done = enrollDone.decode(statement);
  must(equal(hostId, host.host_id) && equal(done.host_id, hostId), "other_host");
  must(equal(done.device_id, deviceId) && equal(done.claim_sha256, host.claim_sha256), "other_enrollment");
  must(done.version === PROTOCOL_VERSION, "other_version");
  return done;
}

/**
 * What a device keeps beside its keys: all that the host said (`verify_key`, `sealing_key`
 * and `mailbox` are the host's), and what is its own.
 * @param {EnrollHost} host @param {DeviceKeys} keys @param {string} label @param {number} enrolled_at
 */
export const recordOf = async (host, keys, label, enrolled_at) => ({
  ...host,
  status: /** @type {"pending" | "active" | "revoked"} */ ("pending"),
  device_mailbox: await mailboxOf(keys.relay.publicKey),
  label,
  enrolled_at,
  counter: 0,
});

/** @param {Meeting} meeting @param {DeviceKeys} keys @param {string} step @param {Bytes} sealed */
async function openPayload({ fromHost, mailbox }, keys, step, sealed) {
  const disclosed = await disclose(fromHost, step, sealed);
  if (disclosed.length <= 32) malformed("short");
  const hostId = disclosed.slice(0, 32), deviceId = await sha256(keys.identity.publicKey);
  const info = sealingInfo("to-device", hostId, deviceId, mailbox, mailbox);
  return { hostId, deviceId, ...toDevice.decode(await open(keys.sealing, info, disclosed.slice(32))) };
}

/** @param {{version: number, versions: number[]}} said */
const checkVersions = ({ version, versions }) =>
  must(version === PROTOCOL_VERSION && versions.includes(version), "no_common_version");
