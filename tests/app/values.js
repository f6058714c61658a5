// What tests need of values, in Node and in a browser alike.
export const hex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

export const toHex = (raw) => Array.from(raw, (byte) => byte.toString(16).padStart(2, "0")).join("");

const base64url = (raw) =>
  btoa(String.fromCharCode(...raw)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

// A key pair of a P-256 scalar (hexadecimal); the app itself never sees one.
export async function pairOfScalar(scalar, publicKey) {
  const [x, y, d] = [publicKey.slice(1, 33), publicKey.slice(33), hex(scalar)].map(base64url);
  const algorithm = { name: "ECDH", namedCurve: "P-256" };
  const jwk = { kty: "EC", crv: "P-256", x, y, d };
  return { privateKey: await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["deriveBits"]), publicKey };
}

const written = (value) => JSON.stringify(value, (_, part) => (part instanceof Uint8Array ? toHex(part) : part));

// As much of node:assert as `run.js` needs.
export const assert = {
  ok: (value, what = "not true") => {
    if (!value) throw new Error(what);
  },
  deepEqual: (found, expected, what = "") =>
    assert.ok(written(found) === written(expected), `${what}: ${written(found)}, not ${written(expected)}`),
  equal: (found, expected, what) => assert.deepEqual(found, expected, what),
  throws: (call, kind) => {
    try {
      call();
    } catch (error) {
      return assert.ok(error instanceof kind, `${error}`);
    }
    throw new Error("nothing was refused");
  },
};
