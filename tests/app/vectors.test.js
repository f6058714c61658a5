import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { concat } from "../../pushmfa/app/bytes.js";
import { contextOf, isSigned, pairOfSeed } from "../../pushmfa/app/crypto.js";
import { isVerifyKey } from "../../pushmfa/app/curve.js";
import { HOST_ONLY, runFile } from "./run.js";
import { hex, pairOfScalar, toHex } from "./values.js";
import { vectors } from "./vectors.js";

const files = readdirSync(new URL("../vectors/", import.meta.url)).filter((name) => name.endsWith(".json"));

for (const file of files.filter((name) => !name.startsWith("rfc"))) {
  const content = vectors(file);
  test(`${file}: every case`, async () => {
    const { run, hostOnly, failures } = await runFile(file, content);
    assert.deepEqual(failures, []);
    assert.equal(run + hostOnly, content.cases.length);
    console.log(`${file}: ${run} cases run, ${hostOnly} of the host only`);
  });
}

test("a case that says something else fails, and so does one that nobody runs", async () => {
  const content = vectors("base64url.json"), [good] = content.cases.filter(({ expected }) => expected);
  const failuresOf = async (file, given) => (await runFile(file, { ...content, cases: [given] })).failures.length;
  assert.equal(await failuresOf("base64url.json", { ...good, expected: "00" }), 1);
  const refusal = { error: "MalformedError", step: "2.1" };
  assert.equal(await failuresOf("base64url.json", { name: "x", text: good.text, refusal }), 1);
  assert.equal(await failuresOf("base64url.json", { name: "x", text: "=", refusal: { ...refusal, error: "SealError" } }), 1);
  assert.equal(await failuresOf("base64url.json", { ...good, operation: "more" }), 1);
  assert.equal(await failuresOf("more.json", good), 1);
});

test("what is said to be for hosts only is in the vectors", () => {
  for (const place of Object.keys(HOST_ONLY)) {
    const [file, operation] = place.split(" ");
    assert.ok(vectors(file).cases.some((given) => !operation || given.operation === operation), place);
  }
});

test("RFC 8032: keys and signatures", async () => {
  const given = vectors("rfc8032.json").vectors;
  assert.ok(given.length > 0);
  for (const { seed, verify_key, message, signature } of given) {
    assert.equal(toHex((await pairOfSeed(hex(seed))).publicKey), verify_key);
    assert.ok(isVerifyKey(hex(verify_key)));
    assert.equal(await isSigned(hex(verify_key), hex(message), hex(signature)), true);
    assert.equal(await isSigned(hex(verify_key), hex(`${message}00`), hex(signature)), false);
  }
});

test("RFC 8032: keys that no honest party can have made are refused", () => {
  const { rejected } = vectors("rfc8032_rejected.json");
  assert.ok(rejected.length > 40);
  for (const { key, why } of rejected) assert.equal(isVerifyKey(hex(key)), false, why);
});

test("RFC 9180: key and nonce of the suite", async () => {
  const given = vectors("rfc9180.json"), [enc, pkRm, info] = [given.enc, given.pkRm, given.info].map(hex);
  assert.deepEqual([given.mode, given.kem_id, given.kdf_id, given.aead_id], [0, 0x10, 1, 2]);
  const { privateKey } = await pairOfScalar(given.skRm, pkRm);
  const { key, nonce } = await contextOf(privateKey, enc, concat(enc, pkRm), info);
  assert.deepEqual([toHex(key), toHex(nonce)], [given.key, given.base_nonce]);
});
