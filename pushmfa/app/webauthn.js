// The holder is verified by the device's own means or a security key (docs/protocol.md 4, 5.2).
import { randomBytes } from "./bytes.js";

/** @import { Bytes } from "./bytes.js" */
/** @param {ArrayBuffer} buffer @returns {Bytes} */
const bytes = (buffer) => new Uint8Array(buffer);

export const canVerify = () => "PublicKeyCredential" in globalThis;
export const isBuiltIn = async () =>
  canVerify() && PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable().catch(() => false);

/** Makes a credential for one enrollment; throws if the person does not want. @param {string} label */
export async function register(label) {
  const made = await navigator.credentials.create({
    publicKey: {
      rp: { name: "pushmfa", id: location.hostname },
      // Random: two hosts must not learn that one device answers both.
      user: { id: randomBytes(16), name: label, displayName: label },
      challenge: randomBytes(32), // no attestation is asked for: the six digits bind it
      pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: "public-key", alg })),
      authenticatorSelection: { userVerification: "required", residentKey: "discouraged" },
      attestation: "none",
      timeout: 60_000,
    },
  });
  const { rawId, response } = /** @type {PublicKeyCredential} */ (made);
  const { getPublicKey, getPublicKeyAlgorithm, getAuthenticatorData } = AuthenticatorAttestationResponse.prototype;
  const key = getPublicKey.call(response), data = bytes(getAuthenticatorData.call(response));
  if (!key) throw new Error("no public key");
  const counter = new DataView(data.buffer).getUint32(33);
  return { id: bytes(rawId), public_key: bytes(key), algorithm: getPublicKeyAlgorithm.call(response), counter };
}

/** @param {Bytes} credentialId @returns {(challenge: Bytes) => Promise<any>} */
export const assertWith = (credentialId) => async (challenge) => {
  const given = await navigator.credentials.get({
    publicKey: {
      rpId: location.hostname,
      challenge,
      allowCredentials: [{ type: "public-key", id: credentialId }],
      userVerification: "required",
      timeout: 60_000,
    },
  });
  const { rawId, response } = /** @type {PublicKeyCredential & {response: AuthenticatorAssertionResponse}} */ (given);
  return {
    credential_id: bytes(rawId),
    authenticator_data: bytes(response.authenticatorData),
    client_data: bytes(response.clientDataJSON),
    signature: bytes(response.signature),
  };
};
