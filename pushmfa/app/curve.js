// What WebCrypto does not promise of public keys, by plain arithmetic.

const P = 2n ** 255n - 19n, ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * power(121666n, P - 2n)), BASE_Y = mod(4n * power(5n, P - 2n));
const ROOT_OF_MINUS_1 = power(2n, (P - 1n) / 4n);
const ORDER_8_Y = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
const SMALL_ORDER_Y = [0n, 1n, P - 1n, ORDER_8_Y, P - ORDER_8_Y];

/** @typedef {[x: bigint, y: bigint, z: bigint, t: bigint]} Point RFC 8032, 5.1.4 */

/** @param {bigint} a */
function mod(a, m = P) {
  return ((a % m) + m) % m;
}
/** @param {Uint8Array} raw */
const bigEndian = (raw) => raw.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
/** @param {Uint8Array} raw */
const littleEndian = (raw) => bigEndian(raw.slice().reverse());
/** @param {Uint8Array} raw */
const yOf = (raw) => littleEndian(raw) & (2n ** 255n - 1n);

/**
 * Whether a public key, or the R of a signature, is the only encoding of its point, and
 * of no small order: under such a key one signature fits every message.
 * @param {Uint8Array} raw
 */
export const isCanonical = (raw) => raw.length === 32 && yOf(raw) < P && !SMALL_ORDER_Y.includes(yOf(raw));

/** Whether the S of a signature is its only form. @param {Uint8Array} raw */
export const isReduced = (raw) => raw.length === 32 && littleEndian(raw) < ORDER;

/** @param {bigint} base @param {bigint} exponent */
function power(base, exponent) {
  let result = 1n;
  for (; exponent; exponent >>= 1n, base = mod(base * base)) if (exponent & 1n) result = mod(result * base);
  return result;
}

/** @param {Point} p @param {Point} q @returns {Point} */
function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = (y1 - x1) * (y2 - x2), b = (y1 + x1) * (y2 + x2), c = 2n * mod(t1 * t2) * D, d = 2n * z1 * z2;
  const e = mod(b - a), f = mod(d - c), g = mod(d + c), h = mod(b + a);
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

/** @param {bigint} n @param {Point} point */
function multiply(n, point) {
  /** @type {Point} */
  let result = [0n, 1n, 1n, 0n];
  for (; n; n >>= 1n, point = add(point, point)) if (n & 1n) result = add(result, point);
  return result;
}

/** RFC 8032, 5.1.3; x is even. @param {bigint} y @returns {Point | false} */
function pointOf(y) {
  const u = mod(y * y - 1n), v = mod(D * y * y + 1n);
  let x = mod(u * v ** 3n * power(u * v ** 7n, (P - 5n) / 8n));
  if (mod(v * x * x + u) === 0n) x = mod(x * ROOT_OF_MINUS_1);
  if (x & 1n) x = P - x;
  return mod(v * x * x - u) === 0n && [x, y, 1n, mod(x * y)];
}

/**
 * Whether an honest party can have made a public key: of prime order, since about the
 * signatures of others libraries disagree. The sign of x does not change the order.
 * @param {Uint8Array} raw
 */
export function isVerifyKey(raw) {
  const point = isCanonical(raw) && pointOf(yOf(raw));
  if (!point) return false;
  const [x, y, z] = multiply(ORDER, point);
  return x === 0n && y === z;
}

/** Of a seed's SHA-512. Not in constant time: for the secret of a link, which lives for minutes. @param {Uint8Array} digest */
export function publicKeyOf(digest) {
  const scalar = (littleEndian(digest) & (2n ** 254n - 8n)) | (2n ** 254n);
  const [x, y, z] = multiply(scalar, /** @type {Point} */ (pointOf(BASE_Y)));
  const inverse = power(z, P - 2n), encoded = mod(y * inverse) | ((mod(x * inverse) & 1n) << 255n);
  return Uint8Array.from({ length: 32 }, (_, at) => Number((encoded >> BigInt(8 * at)) & 255n));
}

const P256 = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const B256 = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

/** Whether raw is a point of P-256; one off the curve would leak the private key that meets it. @param {Uint8Array} raw */
export function isSealingKey(raw) {
  const x = bigEndian(raw.subarray(1, 33)), y = bigEndian(raw.subarray(33));
  const isOnCurve = mod(y * y - x ** 3n + 3n * x - B256, P256) === 0n;
  return raw.length === 65 && raw[0] === 4 && x < P256 && y < P256 && isOnCurve;
}
