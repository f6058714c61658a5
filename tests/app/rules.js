// What must not stand in a file of the app: found by reading the files, none is run.
// Each rule has samples that it refuses; static.test.js plants every one of them.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, extname, join, normalize, relative } from "node:path";

const TEXTS = [".js", ".html", ".css", ".svg", ".json", ".webmanifest"];
const KNOWN = [...TEXTS, ".png"];
const LONGEST_LINE = 1_000; // what is longer was made by a tool, and nobody reads it

const EVERYWHERE = {
  "markup from text": [/\b(inner|outer)HTML\b|insertAdjacentHTML|\bsrcdoc\b/, [
    "x.innerHTML = y;", 'x["outerHTML"] += y;', 'x.insertAdjacentHTML("beforeend", y);', 'h("iframe", { srcdoc: y });',
  ]],
  "markup from text, elsewise": [/document\s*\.\s*write|set(Unsafe|HTMLUnsafe|HTML)\b|parseHTML|createContextualFragment|DOMParser|XSLTProcessor/, [
    "document.write(x);", "document . writeln(x);", "x.setHTMLUnsafe(y);", "Document.parseHTMLUnsafe(y);", "new DOMParser();",
    "range.createContextualFragment(y);",
  ]],
  "text as code": [/\beval\b|\bFunction\s*\(|\bGeneratorFunction\b|constructor\s*\(\s*["'`]|WebAssembly|importScripts/, [
    "eval(x);", '(0, eval)("x");', 'globalThis["eval"](x);', 'new Function("x")();', 'Function("x")();', 'f.constructor("x")();',
    "WebAssembly.compile(x);", 'importScripts("x.js");',
  ]],
  // Other names than these two, which are functions, may hold a text.
  "a timer of a text": [/set(Timeout|Interval)\s*\(\s*(?!\(|(dial|done)\b)/, [
    'setTimeout("x()", 1);', "setInterval(`x()`, 1);", "setTimeout(text, 1);",
  ]],
  "a policy of Trusted Types": [/createPolicy\s*\((?!"sw", \{ createScriptURL \}\)\.createScriptURL\("\/sw\.js"\))/, [
    'trustedTypes.createPolicy("default", { createHTML: (x) => x });',
  ]],
  "a javascript: URL": [/javascript\s*:/i, ['x = "javascript:y()";', "x = `JavaScript :y()`;"]],
  "a data: or blob: URL": [/["'`(=]\s*(data|blob):|createObjectURL/i, ['x = "data:text/html,y";', "x = 'blob:y';", "URL.createObjectURL(y);"]],
  "an address elsewhere": [/["'`(=]\s*((https?|wss?|ftp):)?\/\/(?!\$\{)[a-z0-9]/i, [
    'fetch("https://cdn.example/x.js");', 'x = "//cdn.example/x.js";', "new WebSocket('wss://relay.example');", "x = `http://cdn.example`;",
  ]],
  "somebody else's code": [/\/\*!|@license|@preserve|copyright|\(c\)\s|sourceMappingURL|\bSPDX-/i, [
    "/*! x v1.0 */", "// @license MIT", "// (c) 2020 Somebody", "//# sourceMappingURL=x.js.map",
  ]],
};
const OF_JS = {
  "an import from elsewhere": [/\bimport\s*\(?\s*["'`](?!\.\.?\/)|^\s*(import|export)\b[^;]*\bfrom\s*["'`](?!\.\.?\/)/m, [
    'import x from "lit";', 'export * from "https:x";', 'import "/x.js";', 'await import("lit");',
  ]],
  "an import of what is not known": [/\bimport\s*\(\s*[^"'`\s]/, ["await import(name);"]],
  "a handler as a text": [/setAttribute\s*\(\s*["'`]on|\bon[a-z]+["']?\s*[:=]\s*["'`]/i, [
    'x.setAttribute("onclick", y);', 'x.onclick = "y()";', 'h("button", { onclick: "y()" });', 'h("b", { "onload": "y()" });',
  ]],
  "an inline style": [/\bstyle["']?\s*[:=]\s*["'`]|\.style\b|cssText|setAttribute\s*\(\s*["'`]style|adoptedStyleSheets|insertRule/, [
    'h("p", { style: "color: red" });', 'x.style.color = "red";', 'x.setAttribute("style", y);', "sheet.insertRule(x);",
  ]],
  "an element that loads or runs something": [/\b(h\s*\(\s*|createElement(NS)?\s*\([^)]*)["'`](script|style|link|iframe|frame|object|embed|base|meta|img|a)["'`]/i, [
    'h("script", {});', 'document.createElement("iframe");', 'document.createElementNS(x, "script");', 'h("a", { href: x });',
  ]],
  "an address made of a text": [/\.(src|href|action|formAction)\s*=(?!=)|setAttribute\s*\(\s*["'`](src|href|action)|\b(src|href|action|formaction)\s*:\s/i, [
    "x.src = y;", "location.href = y;", 'x.setAttribute("href", y);', 'h("form", { action: x });',
  ]],
  "a way to another page": [/\blocation\s*=(?!=)|location\s*\.\s*(assign|replace)\s*\(|\bwindow\s*\.\s*open\s*\(|openWindow\s*\((?!`\.\/#e=)/, [
    "location = y;", "location.assign(y);", "window.open(y);", "clients.openWindow(y);",
  ]],
};
const OF_MARKUP = {
  "an inline handler": [/\son[a-z]+\s*=/i, ['<b onclick="x()">', "<svg\nonload=x()>"]],
  "an inline script": [/<script(?![^>]*\ssrc=)/i, ["<script>x()</script>", '<script type="module">x()</script>']],
  "an inline style": [/<style|\sstyle\s*=/i, ["<style>b { color: red }</style>", '<b style="color: red">']],
  "a frame, a plug-in or a form": [/<(iframe|frame|object|embed|base|applet|form|foreignObject)\b|http-equiv/i, [
    "<iframe src=x>", "<object data=x>", '<base href="x">', '<meta http-equiv="refresh" content="0">',
  ]],
};
const OF_CSS = {
  "a style from elsewhere": [/@import|url\(\s*["']?(?!["']?\.?\/?[a-z])|expression\s*\(/i, ['@import "x.css";', "b { background: url(//cdn.example/x) }"]],
};
const OF_JSON = { "what is installed from elsewhere": [/dependencies|"imports"|"scripts"/i, ['{ "dependencies": { "lit": "1" } }']] };

const GROUPS = { ".js": OF_JS, ".html": OF_MARKUP, ".svg": OF_MARKUP, ".css": OF_CSS, ".json": OF_JSON };
const rulesOf = (path) => Object.entries({ ...EVERYWHERE, ...GROUPS[extname(path)] });

// Every sample, with the name of its rule and a file in which it is none of the app's.
export const SAMPLES = Object.entries({ ".js": { ...EVERYWHERE, ...OF_JS }, ".html": OF_MARKUP, ".svg": OF_MARKUP, ".css": OF_CSS, ".json": OF_JSON })
  .flatMap(([kind, rules]) => Object.entries(rules).flatMap(([rule, [, samples]]) => samples.map((text) => ({ rule, text, file: `planted${kind}` }))))
  .concat([
    { rule: "of a kind that is not known", text: "x", file: "planted.wasm" },
    { rule: "of a kind that is not known", text: "x", file: "planted.mjs" },
    { rule: "in a folder", text: "export {};", file: join("vendor", "planted.js") },
    { rule: "a line that nobody reads", text: `x(${"1,".repeat(600)}1);`, file: "planted.js" },
    { rule: "an import of a file that is not here", text: 'import "./missing.js";', file: "planted.js" },
    { rule: "an import of a file that is not here", text: 'import "../other.js";', file: "planted.js" },
  ]);

const filesOf = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();

function* problemsOfFile(folder, file, all) {
  if (!KNOWN.includes(extname(file))) return yield "of a kind that is not known";
  if (dirname(file) !== ".") yield "in a folder";
  if (!TEXTS.includes(extname(file))) return;
  // Names of XML in a picture are no addresses.
  const text = readFileSync(join(folder, file), "utf8").replaceAll('xmlns="http://www.w3.org/2000/svg"', "");
  for (const [rule, [pattern]] of rulesOf(file)) if (pattern.test(text)) yield rule;
  if (text.split("\n").some((line) => line.length > LONGEST_LINE)) yield "a line that nobody reads";
  if (extname(file) !== ".js") return;
  for (const [, name] of text.matchAll(/\b(?:from|import)\s*\(?\s*["'`](\.[^"'`]*)["'`]/g)) {
    if (!all.includes(normalize(join(dirname(file), name)))) yield "an import of a file that is not here";
  }
}

// What is wrong in a folder: "file: rule", nothing for the app as it should be.
export function problemsOf(folder) {
  const all = filesOf(folder);
  return all.flatMap((file) => [...problemsOfFile(folder, file, all)].map((rule) => `${file}: ${rule}`));
}
