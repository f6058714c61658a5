import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { isSigned, pairOfSeed } from "../../pushmfa/app/crypto.js";
import { isVerifyKey } from "../../pushmfa/app/curve.js";
import { Refusal } from "../../pushmfa/app/errors.js";
import { HOST_ONLY, KINDS, RUNS } from "./run.js";
import { hex, toHex, vectors } from "./vectors.js";

const files = readdirSync(new URL("../vectors/", import.meta.url)).filter((name) => name.endsWith(".json"));
const withCases = files.filter((name) => !name.startsWith("rfc"));

// Refused by what a host alone knows (where `message` says of step 5 why, it parses): a
// device has no code for that, and must open, verify and parse it.
const isForHost = ({ step, message }) => !(/\([134]\)/.test(step) || (/\(5\)/.test(step) && !message));

for (const file of withCases) {
  const content = vectors(file);
  test(`${file}: every case`, async () => {
    const counts = { run: 0, hostOnly: 0 };
    for (const given of content.cases) {
      const operation = given.operation ?? "";
      const run = RUNS[file]?.[operation];
      if (!run) {
        assert.ok(HOST_ONLY[file] ?? HOST_ONLY[`${file} ${operation}`], `${file} ${operation}: nobody runs it`);
        counts.hostOnly += 1;
        continue;
      }
      counts.run += 1;
      await check(file, given, content, run);
    }
    assert.equal(counts.run + counts.hostOnly, content.cases.length);
    console.log(`${file}: ${counts.run} cases run, ${counts.hostOnly} of the host only`);
  });
}

async function check(file, given, content, run) {
  const attempt = async () => run(given, content);
  const isAnswer = file === "answer.json" || file === "assertion.json";
  if (isAnswer && (given.expected || isForHost(given.refusal))) return attempt();
  if ("expected" in given) return assert.deepEqual(await attempt(), given.expected, given.name);
  return assert.rejects(
    attempt,
    (error) => {
      assert.ok(error instanceof Refusal, `${given.name}: ${error}`);
      assert.ok(KINDS[given.refusal.error].includes(error.kind), `${given.name}: ${error.kind}, not ${given.refusal.error}`);
      return true;
    },
    `${file}: ${given.name}`,
  );
}

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
