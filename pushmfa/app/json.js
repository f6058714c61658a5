import { encodeBase64url, fromUtf8, utf8 } from "./bytes.js";
import { malformed } from "./errors.js";

const MAY_DIFFER = /[ \t\n\r]+|"(?:[^"\\]|\\.)*"|-0/g;

/**
 * Strict JSON. JSON.parse alone keeps the last of doubled keys, so that two readers of
 * the same signed bytes could see two messages; it takes 1.0 and 1e3 for integers, rounds
 * beyond 2^53, takes half of a surrogate pair. All of it shows: the text, without white
 * space and needless escapes, is not what the value is written as.
 * @param {Uint8Array} raw @param {number} maxBytes @returns {unknown}
 */
export function readJson(raw, maxBytes) {
  try {
    const text = fromUtf8(raw), value = JSON.parse(text);
    if (raw.length <= maxBytes && text.replace(MAY_DIFFER, plain) === JSON.stringify(value)) return value;
  } catch {
    // Not UTF-8, not JSON, or nested too deep.
  }
  return malformed("json");
}

/** @param {string} token */
function plain(token) {
  if (token[0] !== '"') return token === "-0" ? "0" : "";
  const text = JSON.parse(token);
  return text.isWellFormed() ? JSON.stringify(text) : "half of a surrogate pair";
}

/** Bytes are written as base64url. @param {unknown} value */
export const writeJson = (value) =>
  utf8(JSON.stringify(value, (_, part) => (part instanceof Uint8Array ? encodeBase64url(part) : part)));
