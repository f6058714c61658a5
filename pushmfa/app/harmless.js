// Text from outside: whoever dials in chooses it. Control characters, those that swap
// what is read, and those that show nothing appear as escapes, so that the reader sees
// that they were there.
import { equal, fromUtf8, utf8 } from "./bytes.js";

const HARMFUL = /[\p{C}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\uffa0\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/u;

/** @param {number} code @param {number} [wide] */
const escape = (code, wide = 0x100) => {
  const hex = code.toString(16);
  if (code < wide) return `\\x${hex.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
};
/** @param {string} character */
const codeOf = (character) => /** @type {number} */ (character.codePointAt(0));

/** One line, at most limit characters. @param {string} text */
export function makeHarmless(text, limit = 500) {
  const given = [...text.normalize("NFC")];
  const shown = given.slice(0, limit + 1).map((character) =>
    HARMFUL.test(character) ? escape(codeOf(character)) : character.replace(/\p{Zs}/u, " "),
  );
  const characters = [...shown.join("")];
  if (given.length <= limit && characters.length <= limit) return characters.join("");
  return characters.slice(0, Math.max(limit - 3, 0)).join("") + "...";
}

/** The characters of raw, and the bytes that are not UTF-8. @param {Uint8Array} raw */
function charactersOf(raw) {
  /** @type {(string | number)[]} */
  const found = [];
  for (let at = 0; at < raw.length; ) {
    const size = raw[at] < 0xc0 ? 1 : raw[at] < 0xe0 ? 2 : raw[at] < 0xf0 ? 3 : 4;
    try {
      found.push(fromUtf8(raw.subarray(at, at + size)));
      at += size;
    } catch {
      found.push(raw[at++]);
    }
  }
  return found;
}

/** Text of bytes; those that are not UTF-8 as escapes. @param {Uint8Array} raw */
export const decodeText = (raw) =>
  charactersOf(raw).map((part) => (typeof part === "string" ? part : escape(part))).join("");

const SHORT = /** @type {Record<string, string>} */ ({ "\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\'" });

/** One argument, as a shell would read it. @param {Uint8Array} raw */
function quote(raw) {
  const text = decodeText(raw);
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(text)) return text;
  // A combining mark could sit on a quote, or on the space between arguments.
  const isPlain = makeHarmless(text, Infinity) === text && !/['\p{M}]/u.test(text) && equal(utf8(text), raw);
  if (isPlain) return `'${text}'`;
  const shown = charactersOf(raw).map((part) => {
    if (typeof part === "number") return escape(part);
    const isShown = makeHarmless(part) === part && !/\p{M}/u.test(part);
    return SHORT[part] ?? (isShown ? part : escape(codeOf(part), 0x80));
  });
  return `$'${shown.join("")}'`;
}

/** @param {Uint8Array} raw */
function quoteAll(raw) {
  const parts = [];
  for (let at = 0; at < raw.length; ) {
    const end = raw.indexOf(0, at);
    parts.push(quote(raw.subarray(at, end < 0 ? raw.length : end)));
    at = end < 0 ? raw.length : end + 1;
  }
  return parts.join(" ");
}

/** A command as a person can judge it; of a long one its beginning and its end. @param {import("./wire.js").Command} command */
export const commandText = ({ head, tail, length }) => ({
  head: quoteAll(head),
  tail: quoteAll(tail),
  hiddenBytes: Math.max(length - head.length - tail.length, 0),
  length,
});
