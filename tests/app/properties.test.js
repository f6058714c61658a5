// Whatever comes: what was written is read again, what was changed is refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeBase64url, encodeBase64url, fromUtf8, utf8 } from "../../pushmfa/app/bytes.js";
import * as crypto from "../../pushmfa/app/crypto.js";
import { Refusal } from "../../pushmfa/app/errors.js";
import { makeHarmless } from "../../pushmfa/app/harmless.js";
import { readJson, writeJson } from "../../pushmfa/app/json.js";
import { parseLink } from "../../pushmfa/app/link-text.js";
import { peerFrame, relayFrame, statements, toDevice } from "../../pushmfa/app/wire.js";
import { flipped, generator } from "./random.js";
import { vectors } from "./vectors.js";

const PIECES = ['"', "\\", "\\u0061", "\\ud800", "\\ud83d\\ude00", "{", "}", "[", "]", ",", ":", " ", "\n", "\u00a0", "\ufeff"];
PIECES.push("0", "-0", "1", "1.0", "1e0", "9007199254740993", "null", "true", "nul", "a", "__proto__", "\u{1f4f1}", "\x00");

test("base64url: every text that is taken is the only one of its bytes", () => {
  const random = generator(1);
  for (let turn = 0; turn < 2_000; turn += 1) {
    const raw = random.bytes(random.below(70)), text = encodeBase64url(raw);
    assert.deepEqual(decodeBase64url(text), raw);
    assert.equal(text, Buffer.from(raw).toString("base64url"));
  }
});

test("JSON: what is taken, JSON.parse takes too, in the same way, and it is written as it was", () => {
  const random = generator(2);
  let taken = 0;
  for (let turn = 0; turn < 40_000; turn += 1) {
    const inner = Array.from({ length: random.below(9) }, () => random.pick(PIECES)).join("");
    const text = random.pick([inner, `{"a":${inner}}`, `["${inner}"]`, `{"a":1,"${inner}":2}`]);
    let value;
    try {
      value = readJson(utf8(text), 1_000);
    } catch (error) {
      assert.ok(error instanceof Refusal, text);
      continue;
    }
    taken += 1;
    assert.deepEqual(value, JSON.parse(text));
    assert.equal(JSON.stringify(readJson(writeJson(value), 1_000)), JSON.stringify(value));
  }
  assert.ok(taken > 1_000, `${taken}`);
});

test("JSON: a number has one form", () => {
  for (const number of ["1.0", "1e0", "1E0", "10e-1", "1.50", "-0.0", "0e0", "1e400", "01", "+1", "9007199254740993"]) {
    assert.throws(() => readJson(utf8(`[${number}]`), 100), Refusal, number);
  }
  assert.deepEqual(readJson(utf8("[ -0 , -1, 9007199254740991]"), 100), [-0, -1, 2 ** 53 - 1]);
  assert.throws(() => relayFrame.decode(utf8('{"type":"greeting","versions":[1.5],"nonce":"","features":[]}')), Refusal);
});

test("JSON: names that an object has from its prototype are keys like others", () => {
  for (const key of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
    assert.throws(() => readJson(utf8(`{"${key}":1,"${key}":2}`), 100), Refusal);
    const challenge = vectors("statements.json").cases[0].text;
    assert.throws(() => statements.challenge.decode(utf8(`${challenge.slice(0, -1)},"${key}":{"epoch":1}}`)), Refusal);
    assert.throws(() => relayFrame.decode(utf8(`{"type":"${key}"}`)), Refusal);
  }
});

test("frames and statements: a turned bit is refused, or gives a message of the same kind of limits", () => {
  const random = generator(3);
  const valid = vectors("frames.json").cases.filter(({ operation }) => operation === "message");
  for (const { by, text } of valid) {
    const codec = by === "peer" ? peerFrame : relayFrame, raw = utf8(text);
    for (let turn = 0; turn < 60; turn += 1) {
      try {
        const message = codec.decode(flipped(random, raw));
        assert.deepEqual(codec.decode(codec.encode(message)), message);
      } catch (error) {
        assert.ok(error instanceof Refusal, `${error}`);
      }
    }
  }
});

test("frames and statements: whatever stands in a field, it is refused as such or taken", () => {
  const values = (own) => [null, true, 0, -1, 1.5, 2 ** 53, "", "x", own, [own], [[own]], { own }, { type: own }, [], {}];
  const valid = ["frames.json", "statements.json"].flatMap((name) => vectors(name).cases);
  let taken = 0;
  for (const { by, type, text } of valid.filter(({ operation }) => operation === "message")) {
    const codec = by === "peer" ? peerFrame : by === "relay" ? relayFrame : statements[type];
    if (!codec) continue;
    for (const field of Object.keys(JSON.parse(text))) {
      const fields = JSON.parse(text);
      for (const value of values(fields[field])) {
        try {
          codec.decode(utf8(JSON.stringify({ ...fields, [field]: value })));
          taken += 1;
        } catch (error) {
          assert.ok(error instanceof Refusal, `${type} ${field} ${JSON.stringify(value)}: ${error.stack}`);
        }
      }
    }
  }
  assert.ok(taken > 100, `${taken}`);
});

test("sealing: opens for whom it is, and nothing that was changed opens", async () => {
  const random = generator(4), { sealing } = await crypto.newDeviceKeys();
  for (const size of [0, 1, 63, 64, 1_000, 8_192]) {
    const info = random.bytes(130), plaintext = random.bytes(size);
    const sealed = await crypto.seal(sealing.publicKey, info, plaintext);
    assert.deepEqual(await crypto.open(sealing, info, sealed), plaintext);
    for (let turn = 0; turn < 12; turn += 1) {
      await assert.rejects(crypto.open(sealing, info, flipped(random, sealed)), { kind: "not_opened" });
      await assert.rejects(crypto.open(sealing, flipped(random, info), sealed), { kind: "not_opened" });
      await assert.rejects(crypto.open(sealing, info, sealed.slice(0, random.below(sealed.length))), { kind: "not_opened" });
    }
  }
});

test("enclosing: opens under its step, and nothing that was changed opens", async () => {
  const random = generator(5), key = random.bytes(32);
  const enclosed = await crypto.enclose(key, "enroll-host", random.bytes(500));
  await crypto.disclose(key, "enroll-host", enclosed);
  await assert.rejects(crypto.disclose(key, "enroll-done", enclosed), { kind: "not_opened" });
  for (let turn = 0; turn < 60; turn += 1) {
    await assert.rejects(crypto.disclose(key, "enroll-host", flipped(random, enclosed)), { kind: "not_opened" });
    const cut = enclosed.slice(0, random.below(enclosed.length));
    await assert.rejects(crypto.disclose(key, "enroll-host", cut), { kind: "not_opened" });
  }
});

test("signing: nothing that was changed verifies", async () => {
  const random = generator(6), { identity } = await crypto.newDeviceKeys(), body = random.bytes(200);
  const signature = await crypto.sign("answer", identity, body), refused = { kind: "not_verified" };
  await crypto.verify("answer", identity.publicKey, body, signature);
  await assert.rejects(crypto.verify("challenge", identity.publicKey, body, signature), refused);
  for (let turn = 0; turn < 60; turn += 1) {
    await assert.rejects(crypto.verify("answer", identity.publicKey, flipped(random, body), signature), refused);
    await assert.rejects(crypto.verify("answer", identity.publicKey, body, flipped(random, signature)), refused);
    await assert.rejects(crypto.verify("answer", flipped(random, identity.publicKey), body, signature), refused);
  }
});

test("the public key of a seed is the one that the engine makes", async () => {
  const { createPrivateKey, createPublicKey } = await import("node:crypto");
  const random = generator(7);
  for (let turn = 0; turn < 20; turn += 1) {
    const seed = random.bytes(32);
    const key = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
    const jwk = createPublicKey(createPrivateKey({ key, format: "der", type: "pkcs8" })).export({ format: "jwk" });
    assert.equal(encodeBase64url((await crypto.pairOfSeed(seed)).publicKey), jwk.x);
  }
});

test("what a device writes is within the limits, or is not written", () => {
  const id = new Uint8Array(16);
  peerFrame.encode({ type: "allow", mailbox: id, senders: [] });
  assert.throws(() => peerFrame.encode({ type: "allow", mailbox: new Uint8Array(15), senders: [] }), Refusal);
  assert.throws(() => peerFrame.encode({ type: "allow", mailbox: id, senders: [], more: 1 }), Refusal);
  assert.throws(() => peerFrame.encode({ type: "greeting" }), Refusal);
  assert.throws(() => toDevice.encode({ type: "to-device", statement: id, signature: id }), Refusal);
});

test("text from outside: whatever comes, nothing that a page obeys is left", () => {
  const random = generator(8);
  for (let turn = 0; turn < 3_000; turn += 1) {
    const points = Array.from({ length: random.below(40) }, () => random.below(random.pick([0x80, 0x3000, 0x110000])));
    const shown = makeHarmless(String.fromCodePoint(...points));
    assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u);
    assert.ok([...shown].length <= 500);
    assert.equal(makeHarmless(shown), shown.normalize("NFC"));
  }
});

test("links: anything else is refused as a link", () => {
  const random = generator(9), secret = encodeBase64url(random.bytes(16));
  for (let turn = 0; turn < 5_000; turn += 1) {
    const odd = String.fromCharCode(...Array.from(random.bytes(random.below(12)), (byte) => byte & 127));
    for (const link of [odd, `https://${odd}/#1${secret}`, `https://a.example/#1${secret}${odd}`]) {
      try {
        assert.match(parseLink(link).relay, /^wss?:\/\/[^/\s]+$/);
      } catch (error) {
        assert.ok(error instanceof Refusal && error.kind === "bad_link", `${error}`);
      }
    }
  }
  assert.equal(fromUtf8(utf8(secret)), secret);
});
