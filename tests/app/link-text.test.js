import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeBase64url } from "../../pushmfa/app/bytes.js";
import { parseLink, relayName } from "../../pushmfa/app/link-text.js";

const SECRET = Uint8Array.from({ length: 16 }, (_, at) => at);
const TEXT = encodeBase64url(SECRET);

const GOOD = {
  [`https://mfa.example/#1${TEXT}`]: "wss://mfa.example",
  [`https://mfa.example#1${TEXT}`]: "wss://mfa.example",
  [`https://mfa.example:444/#1${TEXT}`]: "wss://mfa.example:444",
  [`https://mfa.example:443/#1${TEXT}`]: "wss://mfa.example",
  [`https://mfa.example/#1${TEXT}relay.example`]: "wss://relay.example",
  [`https://mfa.example/#1${TEXT}relay.example:8443`]: "wss://relay.example:8443",
  [`https://mfa.example/#1${TEXT}localhost:8300`]: "ws://localhost:8300",
  [`https://mfa.example/#1${TEXT}[::1]:8300`]: "ws://[::1]:8300",
  [`http://localhost:8080/#1${TEXT}`]: "ws://localhost:8080",
  [`http://127.0.0.1:8080/#1${TEXT}`]: "ws://127.0.0.1:8080",
  [`http://[::1]:8080/#1${TEXT}`]: "ws://[::1]:8080",
  [`https://localhost:8080/#1${TEXT}`]: "wss://localhost:8080",
  [`HTTPS://MFA.Example/#1${TEXT}`]: "wss://mfa.example",
};

test("links name a secret and a relay", () => {
  for (const [link, relay] of Object.entries(GOOD)) {
    const parsed = parseLink(link);
    assert.deepEqual(parsed.secret, SECRET, link);
    assert.equal(parsed.relay, relay, link);
  }
  assert.equal(parseLink(`https://MFA.example:443/#1${TEXT}relay.example`).origin, "https://mfa.example");
});

test("what a copied link has around it does not matter", () => {
  const link = `https://mfa.example/#1${TEXT}relay.example`;
  assert.deepEqual(parseLink(`  ${link.slice(0, 30)}\n    ${link.slice(30)}\r\n`), parseLink(link));
});

const BAD = {
  "": "cut_off",
  "https://mfa.example/": "cut_off",
  Laptop: "not_a_link",
  "https://mfa.example/#": "cut_off",
  [`https://mfa.example/#1${TEXT.slice(0, -1)}`]: "cut_off",
  "https://mfa.example/#1": "cut_off",
  [`https://mfa.example/#2${TEXT}`]: "other_version",
  [`https://mfa.example/#${TEXT}`]: "other_version",
  [`https://mfa.example/x#1${TEXT}`]: "not_a_link",
  [`https://mfa.example/?a#1${TEXT}`]: "not_a_link",
  [`https://me@mfa.example/#1${TEXT}`]: "not_a_link",
  [`mfa.example/#1${TEXT}`]: "not_a_link",
  [`javascript://mfa.example/#1${TEXT}`]: "not_a_link",
  [`http://mfa.example/#1${TEXT}`]: "not_https",
  [`http://localhost.example/#1${TEXT}`]: "not_https",
  [`https://mfa.example/#1${TEXT.slice(0, -1)}!`]: "damaged",
  [`https://mfa.example/#1${"A".repeat(21)}B`]: "damaged",
  [`https://mfa.example/#1${TEXT}/x`]: "bad_relay",
  [`https://mfa.example/#1${TEXT}relay.example:0`]: "bad_relay",
  [`https://mfa.example/#1${TEXT}u@relay.example`]: "bad_relay",
  [`https://mfa.example/#1${TEXT}${"a".repeat(80)}`]: "too_long",
};

test("what is wrong with a link is said, and nothing of its secret", () => {
  for (const [link, code] of Object.entries(BAD)) {
    assert.throws(() => parseLink(link), (error) => {
      assert.deepEqual([error.kind, error.code], ["bad_link", code], link);
      return !error.message.includes(TEXT.slice(0, 10));
    });
  }
});

test("a relay has one name", () => {
  assert.equal(relayName("WSS://Relay.Example:443/v1/link"), "wss://relay.example");
  assert.equal(relayName("ws://[0:0:0:0:0:0:0:1]:8300/"), "ws://[::1]:8300");
  assert.throws(() => relayName("ws://relay.example"), { code: "not_https" });
});
