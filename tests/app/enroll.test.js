import assert from "node:assert/strict";
import { test } from "node:test";
import { randomBytes } from "../../pushmfa/app/bytes.js";
import * as crypto from "../../pushmfa/app/crypto.js";
import { codeOf, makeClaim, meetingOf, openCommit, openDone, openHost, recordOf } from "../../pushmfa/app/enroll.js";
import { commit, finish, newHost, readClaim, reveal, shown } from "./host.js";

const ABOUT = { label: "Pixel", capabilities: [], credential: null };

async function begun() {
  const host = await newHost(), meeting = await meetingOf(randomBytes(16)), keys = await crypto.newDeviceKeys();
  const commitment = await openCommit(meeting, await commit(host, meeting));
  const claim = await makeClaim(meeting, commitment, keys, ABOUT);
  return { host, meeting, keys, claim, seen: await readClaim(meeting, claim.sealed) };
}

const refused = (code) => ({ kind: "not_verified", code });

test("a device is enrolled, and both sides have the same six digits", async () => {
  const { host, meeting, keys, claim, seen } = await begun();
  assert.equal(seen.device.label, "Pixel");
  assert.equal(seen.device.kind, "app");
  const revealed = await openHost(meeting, claim, keys, await reveal(host, meeting, seen));
  const code = await codeOf(claim, revealed);
  assert.match(code, /^[0-9]{6}$/);
  assert.equal(code, await codeOf({ sha256: await crypto.sha256(seen.statement) }, shown(host)));
  assert.equal((await openDone(meeting, keys, revealed, await finish(host, meeting, seen))).result, "active");
  const record = await recordOf(revealed, keys, "web1", 1_800_000_000);
  assert.deepEqual(record.device_id, await crypto.sha256(keys.identity.publicKey));
  assert.deepEqual(record.device_mailbox, await crypto.mailboxOf(keys.relay.publicKey));
  assert.deepEqual([record.status, record.counter, record.epoch], ["pending", 0, 7]);
  assert.deepEqual(structuredClone(record), record);
});

test("private keys cannot be read by script", async () => {
  const keys = await crypto.newDeviceKeys();
  for (const { privateKey } of Object.values(keys)) {
    assert.equal(privateKey.extractable, false);
    for (const format of ["pkcs8", "jwk", "raw"]) await assert.rejects(globalThis.crypto.subtle.exportKey(format, privateKey));
  }
  const meeting = await meetingOf(randomBytes(16));
  assert.equal(meeting.pair.privateKey.extractable, false);
});

test("attack: another host reveals itself under the commitment of the first", async () => {
  const { meeting, keys, claim, seen } = await begun();
  const sealed = await reveal(await newHost(), meeting, seen);
  await assert.rejects(openHost(meeting, claim, keys, sealed), refused("check_7"));
});

test("attack: the host that answers another claim", async () => {
  const { host, meeting, keys, claim, seen } = await begun();
  const sealed = await reveal(host, meeting, seen, { claim_sha256: randomBytes(32) });
  await assert.rejects(openHost(meeting, claim, keys, sealed), refused("check_6"));
});

test("attack: a host id that is not of the key, or a device id that is not ours", async () => {
  const { host, meeting, keys, claim, seen } = await begun();
  for (const changes of [{ host_id: randomBytes(32) }, { device_id: randomBytes(32) }]) {
    await assert.rejects(openHost(meeting, claim, keys, await reveal(host, meeting, seen, changes)), refused("check_5"));
  }
});

test("attack: what was sealed to a device that claimed first", async () => {
  const { host, meeting, keys, claim } = await begun();
  const thief = await crypto.newDeviceKeys(), other = await makeClaim(meeting, claim.commitment, thief, ABOUT);
  const sealed = await reveal(host, meeting, await readClaim(meeting, other.sealed));
  await assert.rejects(openHost(meeting, claim, keys, sealed), { kind: "not_opened" });
});

test("no version in common ends it", async () => {
  const { host, meeting, keys, claim, seen } = await begun();
  const sealed = await commit(host, meeting, { version: 2, versions: [2, 3] });
  await assert.rejects(openCommit(meeting, sealed), refused("no_common_version"));
  const later = await reveal(host, meeting, seen, { versions: [2] });
  await assert.rejects(openHost(meeting, claim, keys, later), refused("no_common_version"));
});

test("attack: the end of another enrollment, or by another host", async () => {
  const { host, meeting, keys, claim, seen } = await begun();
  const revealed = await openHost(meeting, claim, keys, await reveal(host, meeting, seen));
  for (const changes of [{ claim_sha256: randomBytes(32) }, { device_id: randomBytes(32) }, { host_id: randomBytes(32) }]) {
    await assert.rejects(openDone(meeting, keys, revealed, await finish(host, meeting, seen, changes)), { kind: "not_verified" });
  }
  await assert.rejects(openDone(meeting, keys, revealed, await finish(await newHost(), meeting, seen)), { kind: "not_verified" });
});

test("attack: a step of the enrollment stands for no other", async () => {
  const { host, meeting, keys, claim, seen } = await begun();
  const done = await finish(host, meeting, seen);
  await assert.rejects(openHost(meeting, claim, keys, done), { kind: "not_opened" });
  await assert.rejects(openHost(meeting, claim, keys, claim.sealed), { kind: "not_opened" });
});

test("a label that no host would take is refused before it is sent", async () => {
  const { meeting, keys, claim } = await begun();
  for (const label of ["", "l".repeat(65), "\ud800"]) {
    await assert.rejects(makeClaim(meeting, claim.commitment, keys, { ...ABOUT, label }), { kind: "malformed" });
  }
});
