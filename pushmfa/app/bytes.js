import { malformed } from "./errors.js";

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/** @param {Uint8Array[]} parts @returns {Bytes} */
export const concat = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));

/** @param {string} text @returns {Bytes} */
export const utf8 = (text) => new TextEncoder().encode(text);

/** Strict: replaces no byte and keeps a byte order mark; TypeError. @param {Uint8Array} raw */
export const fromUtf8 = (raw) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);

/** @param {number} size @returns {Bytes} */
export const randomBytes = (size) => crypto.getRandomValues(new Uint8Array(size));

/** @param {Uint8Array} a @param {Uint8Array} b */
export const equal = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

/** Unpadded base64url (RFC 4648, 5). @param {Uint8Array} raw */
export const encodeBase64url = (raw) =>
  btoa(String.fromCharCode(...raw)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/**
 * Exactly one text stands for given bytes, or one id would have two names: padding,
 * other alphabets and non-zero trailing bits are refused.
 * @param {string} text
 */
export function decodeBase64url(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) malformed("base64url");
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const raw = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return encodeBase64url(raw) === text ? raw : malformed("trailing bits");
}
