// Signing, sealing, enclosing (docs/protocol.md 2.2 to 2.5), by WebCrypto.
import { concat, encodeBase64url, randomBytes, utf8 } from "./bytes.js";
import { isCanonical, isReduced, isSealingKey, isVerifyKey, publicKeyOf } from "./curve.js";
import { must, Refusal } from "./errors.js";

/** @import { Bytes } from "./bytes.js" */
/** @typedef {{privateKey: CryptoKey, publicKey: Bytes}} KeyPair */
/** @typedef {{identity: KeyPair, sealing: KeyPair, relay: KeyPair}} DeviceKeys */

const subtle = crypto.subtle, NONE = new Uint8Array(0);
const P256 = { name: "ECDH", namedCurve: "P-256" }, ED25519 = { name: "Ed25519" };
/** @param {Promise<ArrayBuffer>} buffer */
const bytes = async (buffer) => new Uint8Array(await buffer);
/** @param {Bytes} raw @param {{name: string, hash?: string, namedCurve?: string}} algorithm @param {KeyUsage[]} usages */
const loaded = (raw, algorithm, ...usages) => subtle.importKey("raw", raw, algorithm, false, usages);

/** Of its first verify key the id of a host or an enrollment. @param {Uint8Array[]} parts */
export const sha256 = (...parts) => bytes(subtle.digest("SHA-256", concat(...parts)));
/** @param {Bytes} relayKey */
export const mailboxOf = async (relayKey) => (await sha256(relayKey)).slice(0, 16);

/** @param {{name: string}} algorithm @param {KeyUsage[]} usages @returns {Promise<KeyPair>} */
async function newPair(algorithm, ...usages) {
  // Not extractable: a script that got into the page can use a key, not take it along.
  const pair = /** @type {CryptoKeyPair} */ (await subtle.generateKey(algorithm, false, usages));
  return { privateKey: pair.privateKey, publicKey: await bytes(subtle.exportKey("raw", pair.publicKey)) };
}

/** @returns {Promise<DeviceKeys>} */
export async function newDeviceKeys() {
  const [identity, relay] = [await newPair(ED25519, "sign", "verify"), await newPair(ED25519, "sign", "verify")];
  return { identity, sealing: await newPair(P256, "deriveBits"), relay };
}

/** @param {Bytes} seed 32 bytes @returns {Promise<KeyPair>} */
export async function pairOfSeed(seed) {
  const publicKey = publicKeyOf(await bytes(subtle.digest("SHA-512", seed)));
  const jwk = { kty: "OKP", crv: "Ed25519", d: encodeBase64url(seed), x: encodeBase64url(publicKey) };
  return { privateKey: await subtle.importKey("jwk", jwk, ED25519, false, ["sign"]), publicKey };
}

/** @param {Uint8Array} verifyKey @param {Uint8Array} sealingKey */
export function checkKeys(verifyKey, sealingKey) {
  if (!isVerifyKey(verifyKey) || !isSealingKey(sealingKey)) throw new Refusal("bad_key");
}

// --- signing; a label is what stands behind "pushmfa/v1 " ---

/** @param {string} label @param {Uint8Array} body */
export function signedMessage(label, body) {
  const { length } = body, size = Uint8Array.of(length >> 24, length >> 16, length >> 8, length);
  return concat(utf8(`pushmfa/v1 ${label}\0`), size, body);
}

/** @param {string} label @param {KeyPair} pair @param {Uint8Array} body */
export const sign = (label, pair, body) => bytes(subtle.sign(ED25519, pair.privateKey, signedMessage(label, body)));

/** @param {string} label @param {Bytes} verifyKey @param {Uint8Array} body @param {Bytes} signature */
export const verify = async (label, verifyKey, body, signature) =>
  must(await isSigned(verifyKey, signedMessage(label, body), signature), "signature");

/** @param {Bytes} verifyKey @param {Bytes} message @param {Bytes} signature */
export async function isSigned(verifyKey, message, signature) {
  // Engines differ in what they refuse: what one of them may let through stops here.
  const r = signature.subarray(0, 32), s = signature.subarray(32);
  if (!isCanonical(verifyKey) || !isCanonical(r) || !isReduced(s)) return false;
  try {
    return await subtle.verify(ED25519, await loaded(verifyKey, ED25519, "verify"), signature, message);
  } catch {
    return false; // no point of the curve
  }
}

// --- sealing: HPKE (RFC 9180) in base mode, one message a context ---

const KEM = concat(utf8("KEM"), Uint8Array.of(0, 0x10));
const SUITE = concat(utf8("HPKE"), Uint8Array.of(0, 0x10, 0, 1, 0, 2));
/** @param {Bytes} suite @param {string} label @param {Bytes} input */
const labeled = (suite, label, input) => concat(utf8("HPKE-v1"), suite, utf8(label), input);

/** @param {Bytes} salt @param {Bytes} secret @param {Bytes} info */
async function hkdf(salt, secret, info, size = 32) {
  const hkdf = { name: "HKDF", hash: "SHA-256", salt, info };
  return bytes(subtle.deriveBits(hkdf, await loaded(secret, hkdf, "deriveBits"), 8 * size));
}

/** LabeledExtract without salt, for which HMAC has 32 zeros. @param {string} label @param {Bytes} input */
async function extract(label, input) {
  const key = await loaded(new Uint8Array(32), { name: "HMAC", hash: "SHA-256" }, "sign");
  return bytes(subtle.sign("HMAC", key, labeled(SUITE, label, input)));
}

/** @param {CryptoKey} privateKey @param {Bytes} publicKey of the other @param {Bytes} both enc, recipient @param {Bytes} info */
export async function contextOf(privateKey, publicKey, both, info) {
  const dh = await bytes(subtle.deriveBits({ ...P256, public: await loaded(publicKey, P256) }, privateKey, 256));
  // LabeledExpand (from two bytes of size on) of LabeledExtract is one HKDF.
  const size = Uint8Array.of(0, 32), nonceSize = Uint8Array.of(0, 12);
  const shared = await hkdf(NONE, labeled(KEM, "eae_prk", dh), concat(size, labeled(KEM, "shared_secret", both)));
  const schedule = concat(Uint8Array.of(0), await extract("psk_id_hash", NONE), await extract("info_hash", info));
  const secret = labeled(SUITE, "secret", NONE);
  return {
    key: await hkdf(shared, secret, concat(size, labeled(SUITE, "key", schedule))),
    nonce: await hkdf(shared, secret, concat(nonceSize, labeled(SUITE, "base_nonce", schedule)), 12),
  };
}

/** @param {"encrypt" | "decrypt"} use @param {Bytes} key @param {Bytes} iv @param {string} aad @param {Bytes} input */
async function aesGcm(use, key, iv, aad, input) {
  const gcm = { name: "AES-GCM", iv, additionalData: utf8(aad) };
  return bytes(subtle[use](gcm, await loaded(key, gcm, use), input));
}

/** @param {Bytes} publicKey @param {Bytes} info @param {Bytes} plaintext */
export async function seal(publicKey, info, plaintext) {
  const once = await newPair(P256, "deriveBits");
  const { key, nonce } = await contextOf(once.privateKey, publicKey, concat(once.publicKey, publicKey), info);
  return concat(once.publicKey, await aesGcm("encrypt", key, nonce, "", plaintext));
}

/** @param {KeyPair} pair @param {Bytes} info @param {Bytes} sealed */
export async function open({ privateKey, publicKey }, info, sealed) {
  const enc = sealed.slice(0, 65);
  if (!isSealingKey(enc)) closed();
  const { key, nonce } = await contextOf(privateKey, enc, concat(enc, publicKey), info);
  return aesGcm("decrypt", key, nonce, "", sealed.slice(65)).catch(closed);
}

/** Who sends garbage learns nothing of what was wrong with it. @returns {never} */
function closed() {
  throw new Refusal("not_opened");
}

/**
 * What goes one way, between these two, opens nowhere else.
 * @param {"to-device" | "to-host"} direction
 * @param {[hostId: Bytes, deviceId: Bytes, from: Bytes, to: Bytes]} names of fixed lengths
 */
export const sealingInfo = (direction, ...names) => concat(utf8(`pushmfa/v1 seal-${direction}\0`), ...names);

// --- enclosing: AES-256-GCM under what the secret of an enrollment link gives ---

/** @param {Bytes} secret 16 bytes @param {string} purpose */
export const linkKey = (secret, purpose) => hkdf(NONE, secret, utf8(`pushmfa/v1 enroll ${purpose}`));

/** @param {Bytes} key @param {string} step @param {Bytes} plaintext */
export async function enclose(key, step, plaintext) {
  const nonce = randomBytes(12);
  return concat(nonce, await aesGcm("encrypt", key, nonce, step, plaintext));
}

/** @param {Bytes} key @param {string} step @param {Bytes} enclosed */
export const disclose = (key, step, enclosed) =>
  aesGcm("decrypt", key, enclosed.slice(0, 12), step, enclosed.slice(12)).catch(closed);
