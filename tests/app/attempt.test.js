import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { before, test } from "node:test";
import { checkNumber, makeAnswer, openToDevice } from "../../pushmfa/app/attempt.js";
import { addCard, dropCards, endCard, expireCards, markSent, secondsLeft } from "../../pushmfa/app/cards.js";
import { randomBytes, utf8 } from "../../pushmfa/app/bytes.js";
import * as crypto from "../../pushmfa/app/crypto.js";
import { answer, newEnvelope, statements, toHost } from "../../pushmfa/app/wire.js";
import { challenge, enrolled, newHost, outcomeOf, send } from "./host.js";

let device, deviceKey;

before(async () => {
  device = await enrolled();
  deviceKey = device.keys.sealing.publicKey;
});

const receive = (envelope) => openToDevice(device.enrollment, device.keys, envelope);
const sent = (message, changes) => send(device, message, { deviceKey, ...changes });
const refused = (kind) => ({ kind });

test("a challenge of this host opens, and its exact bytes are kept", async () => {
  const asked = challenge(device);
  const { statement, raw } = await receive(await sent(asked));
  assert.deepEqual(statement, asked);
  assert.deepEqual(raw, statements.challenge.encode(asked));
});

test("attack: everything that is not signed by this host, for this device, as what it says", async () => {
  const asked = challenge(device), other = await newHost();
  const cases = {
    "signed by another host": [{ signer: other.identity }, "not_verified"],
    "signed as an outcome": [{ label: "outcome" }, "not_verified"],
    "signed as the end of an enrollment": [{ label: "enroll-done" }, "not_verified"],
    "sealed the other way": [{ direction: "to-host" }, "not_opened"],
    "sealed for another device": [{ deviceId: randomBytes(32) }, "not_opened"],
    "sealed for another mailbox": [{ sealedTo: randomBytes(16) }, "not_opened"],
    "sealed to another key": [{ deviceKey: other.sealing.publicKey }, "not_opened"],
    "from another mailbox": [{ envelope: { from: randomBytes(16) } }, "not_verified"],
    "to another mailbox": [{ envelope: { to: randomBytes(16) } }, "not_verified"],
    "too short": [{ envelope: { sealed: randomBytes(28) } }, "not_opened"],
  };
  for (const [name, [changes, kind]] of Object.entries(cases)) {
    await assert.rejects(receive(await sent(asked, changes)), refused(kind), name);
  }
  for (const changes of [{ host_id: randomBytes(32) }, { device_id: randomBytes(32) }, { version: 2 }]) {
    await assert.rejects(receive(await sent(challenge(device, changes))), refused("not_verified"), Object.keys(changes)[0]);
  }
});

test("attack: a statement of an enrollment, or of a kind that is an object's own property", async () => {
  for (const type of ["enroll-host", "answer", "constructor", "__proto__", "nothing"]) {
    const statement = utf8(`{"type":"${type}","version":1}`);
    const envelope = await sent(challenge(device), { statement, label: type });
    await assert.rejects(receive(envelope), refused("malformed"), type);
  }
});

test("attack: a statement whose type is no text is refused like any other, and ends no link", async () => {
  for (const type of ['{"toString":1,"valueOf":1}', '["challenge"]', "1", "null", "true"]) {
    const statement = utf8(`{"type":${type},"version":1}`);
    const envelope = await sent(challenge(device), { statement, label: "challenge" });
    await assert.rejects(receive(envelope), refused("malformed"), type);
  }
});

async function opened(sealed) {
  const { enrollment, host } = device;
  const names = [host.id, enrollment.device_id, enrollment.device_mailbox, host.mailbox];
  const payload = toHost.decode(await crypto.open(host.sealing, crypto.sealingInfo("to-host", ...names), sealed));
  await crypto.verify("answer", device.keys.identity.publicKey, payload.statement, payload.signature);
  return { ...payload, answer: answer.decode(payload.statement) };
}

const NOW = { counter: 3, device_time: 1_800_000_000 };

test("an approval names the exact challenge, the number and the highest epoch", async () => {
  const asked = await receive(await sent(challenge(device, { epoch: 5 })));
  const sealed = await makeAnswer(device.enrollment, device.keys, asked, { decision: "approval", number: "07" }, NOW);
  const found = await opened(sealed);
  assert.deepEqual(found.answer.challenge_sha256, await crypto.sha256(asked.raw));
  const { decision, number, reason, verification, grant, counter, epoch } = found.answer;
  assert.deepEqual([decision, number, reason, verification, grant], ["approval", "07", null, "none", 0]);
  assert.deepEqual([counter, epoch, found.assertion], [3, 7, null]);
});

test("a denial has a reason and no number", async () => {
  const asked = await receive(await sent(challenge(device)));
  const sealed = await makeAnswer(device.enrollment, device.keys, asked, { decision: "denial", reason: "not_me" }, NOW);
  const { decision, number, reason } = (await opened(sealed)).answer;
  assert.deepEqual([decision, number, reason], ["denial", null, "not_me"]);
});

test("an approval with an assertion: over the digest of the exact answer, and the holder is said to be verified", async () => {
  const asked = await receive(await sent(challenge(device, { verification: "required" })));
  const made = { credential_id: randomBytes(20), authenticator_data: randomBytes(37), client_data: randomBytes(90), signature: randomBytes(70) };
  let wanted;
  const authenticator = async (digest) => {
    wanted = digest;
    return made;
  };
  const sealed = await makeAnswer(device.enrollment, device.keys, asked, { decision: "approval", number: "42" }, NOW, authenticator);
  const found = await opened(sealed), size = Buffer.alloc(4);
  size.writeUInt32BE(found.statement.length);
  const covered = Buffer.concat([Buffer.from("pushmfa/v1 webauthn\0"), size, found.statement]);
  assert.equal(Buffer.from(wanted).toString("hex"), createHash("sha256").update(covered).digest("hex"));
  assert.deepEqual(found.assertion, made);
  assert.equal(found.answer.verification, "webauthn");
});

test("who turns away from the authenticator sends nothing", async () => {
  const asked = await receive(await sent(challenge(device)));
  const turnedAway = () => Promise.reject(new DOMException("canceled", "NotAllowedError"));
  const answer = makeAnswer(device.enrollment, device.keys, asked, { decision: "approval", number: "42" }, NOW, turnedAway);
  await assert.rejects(answer, { name: "NotAllowedError" });
});

test("a number has as many ASCII digits as were asked for", async () => {
  checkNumber("42", 2);
  for (const number of ["", "4", "421", " 42", "4 ", "+4", "4.", "\u0664\u0662", "\uff14\uff12", "4\n"]) {
    assert.throws(() => checkNumber(number, 2), refused("malformed"), JSON.stringify(number));
  }
  const asked = await receive(await sent(challenge(device, { digits: 3 })));
  const choice = { decision: "approval", number: "42" };
  await assert.rejects(makeAnswer(device.enrollment, device.keys, asked, choice, NOW), refused("malformed"));
});

// --- cards ---

const CHOICE = { decision: "approval", number: "42" };

const asked = (changes) => {
  const statement = challenge(device, changes);
  return { statement, raw: statements.challenge.encode(statement) };
};

const envelope = () => newEnvelope({ from: randomBytes(16), to: randomBytes(16), lifetime: 9, sealed: randomBytes(28) });

test("each challenge is a card; a newer never replaces an older, and none comes twice", () => {
  const first = asked(), second = asked();
  const cards = addCard(addCard([], first, 60, 100), second, 60, 101);
  assert.deepEqual(cards.map(({ statement }) => statement), [first.statement, second.statement]);
  assert.equal(addCard(cards, first, 60, 102), cards);
  assert.deepEqual(structuredClone(cards), cards);
});

test("the shorter of the two lifetimes holds, and whole seconds are shown", () => {
  const [short] = addCard([], asked({ lifetime: 60 }), 10, 100), [long] = addCard([], asked({ lifetime: 20 }), 600, 100);
  assert.deepEqual([secondsLeft(short, 100.5), secondsLeft(long, 100), secondsLeft(long, 500)], [9, 20, 0]);
});

test("a card goes from waiting over sent to ended", () => {
  const one = asked(), [card] = addCard([], one, 60, 100);
  const [sentCard] = markSent([card], card, CHOICE, envelope());
  assert.equal(sentCard.state, "sent");
  const [ended] = endCard([sentCard], outcomeOf(one.statement));
  assert.deepEqual([ended.state, ended.choice, ended.outcome.verdict], ["ended", CHOICE, "approved"]);
  assert.deepEqual(endCard([ended], outcomeOf(one.statement, { verdict: "denied" })), [ended]);
  assert.deepEqual(expireCards([ended], 1e9), [ended]);
});

test("attack: an outcome that overtakes its challenge; it must not ask any more", () => {
  const one = asked(), cards = endCard([], outcomeOf(one.statement));
  assert.equal(cards[0].state, "early");
  assert.equal(addCard(cards, one, 60, 100), cards);
  assert.deepEqual(endCard(cards, outcomeOf(one.statement)), cards);
});

test("a card expires by its lifetime; one that was answered waits a little for its outcome", () => {
  const [card] = addCard([], asked(), 60, 100), [answered] = markSent([card], card, CHOICE, envelope());
  const states = (now) => expireCards([card, answered], now).map(({ state }) => state);
  assert.deepEqual(states(159), ["waiting", "sent"]);
  assert.deepEqual(states(160), ["expired", "sent"]);
  assert.deepEqual(states(165), ["expired", "expired"]);
  const [late] = endCard(expireCards([card], 160), outcomeOf(card.statement, { verdict: "canceled", cause: "hangup" }));
  assert.equal(late.outcome.verdict, "canceled");
});

test("attack: a host that sends challenges without end", () => {
  let cards = [];
  for (let sent = 0; sent < 40; sent += 1) cards = addCard(cards, asked(), 60, 100);
  assert.equal(cards.length, 16);
  const other = { ...challenge(device), device_id: randomBytes(32) };
  assert.equal(addCard(cards, { statement: other, raw: randomBytes(2) }, 60, 100).length, 17);
});

test("what is over is forgotten some time, what is open never", () => {
  const open = asked();
  let cards = addCard([], open, 600, 100);
  for (let sent = 0; sent < 300; sent += 1) cards = endCard(cards, outcomeOf(asked().statement));
  assert.ok(cards.length <= 258);
  assert.equal(cards[0].state, "waiting");
});

test("the cards of a revoked enrollment are forgotten", () => {
  const cards = addCard([], asked(), 60, 100);
  assert.deepEqual(dropCards(cards, device.enrollment.device_id), []);
  assert.deepEqual(dropCards(cards, randomBytes(32)), cards);
});
