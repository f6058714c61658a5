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

test("the page asks for all modules at once, not one after another", () => {
  const html = readFileSync(served.find((path) => basename(path) === "index.html"), "utf8");
  const asked = [...html.matchAll(/<link rel="modulepreload" href="([^"]+)">/g)].map(([, name]) => name);
  const modules = served.map((path) => basename(path)).filter((name) => name.endsWith(".js") && name !== "sw.js" && name !== "app.js");
  assert.deepEqual(asked.sort(), modules.sort());
});

test("the version of the worker is that of the files (else: node tests/app/version.js)", () => {
  assert.equal(versionIn(text), versionOf());
});

test("attack: a notification decides nothing, and a push chooses no text", () => {
  assert.doesNotMatch(text, /actions\s*:/);
  assert.doesNotMatch(text, /import .*(attempt|crypto|session)\.js/, "the worker has no use for keys");
  for (const [, call] of text.matchAll(/showNotification\(([^,]+),/g)) assert.equal(call, 't("note_title")');
});
