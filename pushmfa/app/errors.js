/** What came from outside is not what it must be; the core throws nothing else for it. */
export class Refusal extends Error {
  /**
   * @param {"malformed" | "not_opened" | "not_verified" | "bad_key" | "bad_link"} kind
   * @param {string} message @param {string} [code] which text people get
   */
  constructor(kind, message, code = "") {
    super(message);
    this.kind = kind;
    this.code = code;
  }
}

/** @param {string} message @returns {never} */
export function malformed(message) {
  throw new Refusal("malformed", message);
}

/** @param {boolean} isTrue @param {string} message @param {string} [code] */
export function must(isTrue, message, code) {
  if (!isTrue) throw new Refusal("not_verified", message, code);
}
