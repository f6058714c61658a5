// The enrollment link, as it is scanned or pasted (docs/protocol.md 4.1).
import { decodeBase64url } from "./bytes.js";
import { Refusal } from "./errors.js";

const LOCAL = /^(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?$/;
const PORTS = /** @type {Record<string, number>} */ ({ wss: 443, https: 443, ws: 80, http: 80 });
const PLACE = /^([a-z]+):\/\/(\[[0-9a-f:.]+\]|[^\s/?#@:[\]]+)(?::([0-9]{1,5}))?\/?$/;
const HOST = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** @param {string} code @returns {never} */
const bad = (code) => {
  throw new Refusal("bad_link", code);
};

/** The one form of a URL without path, in which relays are signed and compared. @param {string} url @param {string[]} schemes */
function placeName(url, ...schemes) {
  const [, scheme = "", given = "", port = PORTS[scheme]] = PLACE.exec(url.toLowerCase()) ?? [];
  let host = HOST.test(given) && given;
  try {
    if (given[0] === "[") host = new URL(`http://${given}`).hostname; // IPv6 has many forms
  } catch {
    // No address.
  }
  if (url.length > 255 || !host || !schemes.includes(scheme) || !(+port > 0 && +port < 65_536)) return bad("bad_relay");
  // Without TLS who listens on the way would see who writes to whom.
  if (scheme !== schemes[0] && !LOCAL.test(host)) bad("not_https");
  return `${scheme}://${host}${+port === PORTS[scheme] ? "" : `:${+port}`}`;
}

/** @param {string} url */
export const relayName = (url) => placeName(url.replace(/\/v1\/link$/, ""), "wss", "ws");

/**
 * What the link says; white space is dropped, since a copied link has some. Whoever has
 * the secret can claim the enrollment: it is shown nowhere and kept nowhere.
 * @param {string} text
 */
export function parseLink(text) {
  const link = text.replace(/\s/g, "");
  if (link.length > 106) bad("too_long");
  const [, web = "", rest = ""] = /^(https?:\/\/[^/?#@]+)\/?(?:#(.*))?$/i.exec(link) ?? [];
  if (link && !web) bad("not_a_link");
  if (!rest) bad("cut_off");
  if (rest[0] !== "1") bad("other_version");
  const origin = placeName(web, "https", "http"), relay = rest.slice(23);
  if (rest.length < 23) bad("cut_off");
  const secret = /^.[\w-]{21}[AQgw]/.test(rest) ? decodeBase64url(rest.slice(1, 23)) : bad("damaged");
  const url = relay ? `${LOCAL.test(relay.toLowerCase()) ? "ws" : "wss"}://${relay}` : origin.replace("http", "ws");
  return { secret, relay: relayName(url), origin };
}
