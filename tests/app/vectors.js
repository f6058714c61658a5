// Reads tests/vectors, as its README says.
import { readFileSync } from "node:fs";

const FOLDER = new URL("../vectors/", import.meta.url);

export const vectors = (name) => JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"));

export const hex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

export const toHex = (raw) => Buffer.from(raw).toString("hex");

const P256_PKCS8 = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";

// A key pair of a P-256 scalar; the app itself never sees one.
export async function pairOfScalar(scalar, publicKey) {
  const der = Buffer.from(P256_PKCS8 + scalar, "hex");
  const algorithm = { name: "ECDH", namedCurve: "P-256" };
  const privateKey = await crypto.subtle.importKey("pkcs8", der, algorithm, false, ["deriveBits"]);
  return { privateKey, publicKey };
}
