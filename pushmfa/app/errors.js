/** What came from outside is not what it must be; the core throws nothing else for it. */
export class Refusal extends Error {
  /**
   * @param {"malformed" | "not_opened" | "not_verified" | "bad_key" | "bad_link"} kind
   * @param {string} [code] what it was; some have a text for people
   */
  constructor(kind, code = "") {
    super(`${kind} ${code}`);
    this.kind = kind;
    this.code = code;
  }
}

/** @param {string} code @returns {never} */
export function malformed(code) {
  throw new Refusal("malformed", code);
}

/** @param {boolean} isTrue @param {string} code */
export function must(isTrue, code) {
  if (!isTrue) throw new Refusal("not_verified", code);
}
