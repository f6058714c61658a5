// The worker keeps all files of one version: none is missing, and a change is a new version.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { test } from "node:test";
import { served, versionIn, versionOf, worker } from "./version.js";

const text = readFileSync(worker, "utf8");

test("the worker keeps every file, and none that is not there", () => {
  const listed = [.../const FILES = \[([^\]]*)\]/.exec(text)[1].matchAll(/"([^"]+)"/g)].map(([, name]) => name);
  const expected = served.map((path) => basename(path)).filter((name) => name !== "sw.js").map((name) => (name === "index.html" ? "./" : name));
  assert.deepEqual(listed.sort(), expected.sort());
});

const sources = new Map(served.map((path) => [basename(path), readFileSync(path, "utf8")]));

/** The names of all modules that come with `name`, itself too, but for those it asks for later. */
function closure(name, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  for (const [, next] of sources.get(name).matchAll(/^import .* from "\.\/([\w-]+\.js)";$/gm)) closure(next, found);
  return found;
}

test("the page asks at once for all that the first screen needs, and for no more", () => {
  const asked = [...sources.get("index.html").matchAll(/<link rel="modulepreload" href="([^"]+)">/g)].map(([, name]) => name);
  assert.deepEqual(asked.sort(), [...closure("app.js")].filter((name) => name !== "app.js").sort());
  assert.ok(!asked.includes("crypto.js"), "the core comes behind the first screen");
});

test("every module is reached from the page or the worker", () => {
  const later = [...sources.get("app.js").matchAll(/import\("\.\/([\w-]+\.js)"\)/g)].map(([, name]) => name);
  const reached = new Set(["app.js", "sw.js", ...later].flatMap((name) => [...closure(name)]));
  assert.deepEqual([...reached].sort(), [...sources.keys()].filter((name) => name.endsWith(".js")).sort());
});

test("the version of the worker is that of the files (else: node tests/app/version.js)", () => {
  assert.equal(versionIn(text), versionOf());
});

test("attack: a notification decides nothing, and a push chooses no text", () => {
  assert.doesNotMatch(text, /actions\s*:/);
  assert.doesNotMatch(text, /import .*(attempt|crypto|session)\.js/, "the worker has no use for keys");
  for (const [, call] of text.matchAll(/showNotification\(([^,]+),/g)) assert.equal(call, 't("note_title")');
});
