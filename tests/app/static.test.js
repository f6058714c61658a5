// What stands in the files of the app, without running them: no text becomes markup or
// code, nothing comes from elsewhere, and all of it is small.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { test } from "node:test";
import { files, total } from "./sizes.js";

const MAX_BYTES = 61_440;
const TEXTS = [".js", ".html", ".css", ".svg", ".json", ".webmanifest"];
const KNOWN = [...TEXTS, ".png"];

// Each refuses its example, so that a rule that matches nothing is noticed.
const EVERYWHERE = [
  ["markup from text", /\b(inner|outer)HTML\b|insertAdjacentHTML|\bsrcdoc\b/, "x.innerHTML = y"],
  ["markup from text, elsewise", /document\s*\.\s*write|setHTML|createContextualFragment|DOMParser/, "document.writeln(x)"],
  ["text as code", /\beval\b|\bFunction\s*\(|WebAssembly|importScripts/, "new Function(x)"],
  ["a timer of a text", /set(Timeout|Interval)\s*\(\s*["'`]/, "setTimeout('x()', 1)"],
  ["a javascript: URL", /javascript\s*:/i, 'href="javascript:x()"'],
  ["a data: or blob: URL", /["'`(]\s*(data|blob):/i, 'src="data:text/html,x"'],
  ["an address elsewhere", /["'`(=]\s*(https?:)?\/\/(?!\$\{)[a-z0-9]/i, 'src="//cdn.example/x.js"'],
];
const OF_JS = [
  ["an import from elsewhere", /\bimport\s*\(?\s*["'`](?!\.\.?\/)|^(import|export)\b[^;]*\bfrom\s*["'`](?!\.\.?\/)/m, 'import x from "lit"'],
  ["an import of what is not known", /\bimport\s*\(\s*[^"'`\s]/, "import(name)"],
  ["a handler as a text", /setAttribute\s*\(\s*["'`]on/i, 'x.setAttribute("onclick", y)'],
  ["a handler as a text, elsewise", /\.on[a-z]+\s*=\s*["'`]/, 'x.onclick = "y()"'],
];
const OF_MARKUP = [
  ["an inline handler", /\son[a-z]+\s*=/i, '<b onclick="x()">'],
  ["an inline script", /<script(?![^>]*\ssrc=)/i, "<script>x()</script>"],
  ["an inline style", /<style|\sstyle\s*=/i, '<b style="x">'],
  ["a frame or a plug-in", /<(iframe|frame|object|embed|base|applet)\b/i, "<iframe src=x>"],
];
const OF_CSS = [["a style from elsewhere", /@import|url\(\s*["']?(?!["']?\.?\/?[a-z])/i, "@import 'x.css'"]];

const rulesOf = (path) => [
  ...EVERYWHERE,
  ...(extname(path) === ".js" ? OF_JS : []),
  ...([".html", ".svg"].includes(extname(path)) ? OF_MARKUP : []),
  ...(extname(path) === ".css" ? OF_CSS : []),
];

test("each rule refuses what it is for", () => {
  for (const [name, pattern, example] of [...EVERYWHERE, ...OF_JS, ...OF_MARKUP, ...OF_CSS]) {
    assert.match(example, pattern, name);
  }
});

test("attack: nothing in the app makes markup or code of a text, or comes from elsewhere", () => {
  assert.ok(files.length > 0);
  for (const path of files) {
    assert.ok(KNOWN.includes(extname(path)), `${path}: of a kind that this test does not know`);
    if (!TEXTS.includes(extname(path))) continue;
    // Names of XML in a picture are no addresses.
    const text = readFileSync(path, "utf8").replaceAll('xmlns="http://www.w3.org/2000/svg"', "");
    for (const [name, pattern] of rulesOf(path)) {
      const found = pattern.exec(text);
      assert.equal(found, null, `${path}: ${name}: ${found?.[0]}`);
    }
  }
});

// As it is sent: what it costs on a phone's network, once, since the worker keeps it.
test("the app is at most 60 KB as it is sent, all of it", () => {
  console.log(`pushmfa/app: ${total.gzip} of ${MAX_BYTES} bytes by gzip, ${total.code} of code, ${total.bytes} with comments`);
  assert.ok(total.gzip <= MAX_BYTES, `${total.gzip} bytes`);
});
