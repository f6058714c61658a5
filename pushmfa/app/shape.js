// A shape checks a value of JSON and returns it, decoded, or throws.
import { decodeBase64url } from "./bytes.js";
import { malformed } from "./errors.js";
import { readJson, writeJson } from "./json.js";

/** @template T @typedef {(value: any) => T} Shape */
/** @template {string} S @typedef {S extends `${infer W} ${infer More}` ? W | Words<More> : S} Words */
/** @typedef {Record<string, Shape<any>>} Fields */

/** @template T @param {(value: any) => boolean} isGood @returns {Shape<T>} */
const plain = (isGood) => (value) => (isGood(value) ? value : malformed(`${isGood}`));
/** @param {{length: number}} value @param {number} min @param {number} max */
const isWithin = ({ length }, min, max) => length >= min && length <= max;

/** @param {number} min @param {number} max @returns {Shape<number>} */
export const int = (min, max) => plain((value) => Number.isInteger(value) && value >= min && value <= max);
/** In Unicode's characters, not in UTF-16. @param {number} min @param {number} max @returns {Shape<string>} */
export const text = (min, max) => plain((value) => typeof value === "string" && isWithin([...value], min, max));
/** @param {RegExp} pattern @returns {Shape<string>} */
export const matching = (pattern) => plain((value) => typeof value === "string" && pattern.test(value));
/** @type {Shape<boolean>} */
export const flag = plain((value) => typeof value === "boolean");
/** @template {string} W @param {W} words with spaces between @returns {Shape<Words<W>>} one of them */
export const oneOf = (words) => plain((value) => words.split(" ").includes(value));

/** @param {number} min @returns {Shape<import("./bytes.js").Bytes>} */
export const b64 = (min, max = min) => (value) => {
  const raw = typeof value === "string" && decodeBase64url(value);
  return raw && isWithin(raw, min, max) ? raw : malformed("bytes");
};
/** @template T @param {Shape<T>} item @param {number} min @param {number} max @returns {Shape<T[]>} */
export const list = (item, min, max) => (value) =>
  Array.isArray(value) && isWithin(value, min, max) ? value.map(item) : malformed("list");
/** @template T @param {Shape<T>} shape @returns {Shape<T | null>} */
export const orNull = (shape) => (value) => (value === null ? null : shape(value));

/** Exactly these fields. @template {Fields} F @param {F} fields @returns {Shape<{[K in keyof F]: ReturnType<F[K]>}>} */
export const object = (fields) => (value) => {
  const names = Object.keys(fields), given = new Map(Object.entries(value ?? {}));
  if (given.size !== names.length || !names.every((name) => given.has(name))) malformed("fields");
  return /** @type {any} */ (Object.fromEntries(names.map((name) => [name, fields[name](given.get(name))])));
};
/** @template {string} K @template {Fields} F @param {K} type @param {F} fields */
export const message = (type, fields) => object({ type: oneOf(type), ...fields });
/**
 * One of several messages, by their types.
 * @template {Record<string, Fields>} M @param {M} messages
 * @returns {Shape<{[K in keyof M]: {type: K} & {[N in keyof M[K]]: ReturnType<M[K][N]>}}[keyof M]>}
 */
export const anyOf = (messages) => (value) => {
  const type = oneOf(Object.keys(messages).join(" "))(value?.type);
  return /** @type {any} */ (message(type, messages[type])(value));
};

/** @template T @param {number} maxBytes @param {Shape<T>} shape */
export function codec(maxBytes, shape) {
  const decode = (/** @type {Uint8Array} */ raw) => shape(readJson(raw, maxBytes));
  const encode = (/** @type {T} */ value) => {
    const raw = writeJson(value);
    decode(raw); // so that nothing leaves that another would refuse
    return raw;
  };
  return { decode, encode };
}
