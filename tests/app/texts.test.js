// Both languages say the same things, and no text is missing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { test } from "node:test";
import { LANGUAGES, t } from "../../pushmfa/app/texts.js";
import { files } from "./sizes.js";

const { en, de } = LANGUAGES;
const placeholders = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test("both languages have the same texts with the same placeholders", () => {
  assert.deepEqual(Object.keys(de), Object.keys(en));
  for (const [name, text] of Object.entries(en)) {
    assert.ok(text && de[name], name);
    assert.deepEqual(placeholders(de[name]), placeholders(text), name);
  }
});

test("every text that is asked for is there", () => {
  const sources = files.filter((path) => path.endsWith(".js") && basename(path) !== "texts.js");
  const asked = sources.flatMap((path) => [...readFileSync(path, "utf8").matchAll(/\bt\("(\w+)"/g)].map(([, name]) => name));
  assert.ok(asked.length > 50);
  for (const name of asked) assert.ok(name in en, name);
  const ends = "sent waiting expired unheard approved_enter approved approved_other approved_terminal not_me denied denied_other wrong wrong_other canceled locked unavailable";
  for (const end of ends.split(" ")) assert.ok(`e_${end}` in en && `e_${end}_text` in en, end);
  const codes = "too_long not_a_link cut_off other_version damaged not_https bad_relay other_app no_keys relay_down no_host used_link must_verify expired wrong_code canceled checks no_verify";
  for (const code of codes.split(" ")) assert.ok(`x_${code}` in en, code);
});

test("values are filled in once, whatever they look like", () => {
  assert.equal(t("trust_text"), en.trust_text);
  assert.match(t("renamed", { name: "{user}$&" }), /\{user\}\$&/);
});
