// Wake-ups by the browser's push service (RFC 8030). They only say that it may be worth to
// look: nothing is decided by one, and the app works without.
import { equal } from "./bytes.js";

/** @import { Bytes } from "./bytes.js" */
/** @import { PushState } from "./state.js" */

const SUBSCRIBE_SECONDS = 20; // without a push service some browsers never answer

/** @returns {PushState} */
export function pushState() {
  if (!("PushManager" in globalThis && "Notification" in globalThis && "serviceWorker" in navigator)) return "unsupported";
  return Notification.permission === "granted" ? "on" : Notification.permission === "denied" ? "blocked" : "off";
}

/** @param {PushSubscription} subscription @param {PushEncryptionKeyName} name @returns {Bytes} */
const keyOf = (subscription, name) => new Uint8Array(/** @type {ArrayBuffer} */ (subscription.getKey(name)));

/** What the relay gets; made with its key, or anew if that changed. @param {Bytes} key */
export async function subscribe(key) {
  const { pushManager } = await navigator.serviceWorker.ready;
  let subscription = await pushManager.getSubscription();
  const own = subscription?.options.applicationServerKey;
  if (subscription && !(own && equal(new Uint8Array(own), key))) {
    await subscription.unsubscribe();
    subscription = null;
  }
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error("no push service")), 1000 * SUBSCRIBE_SECONDS));
  subscription ??= /** @type {PushSubscription} */ (
    await Promise.race([pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }), late])
  );
  return { endpoint: subscription.endpoint, p256dh: keyOf(subscription, "p256dh"), auth: keyOf(subscription, "auth") };
}

/** The notification that woke us is of no use once its attempt is over. @param {string} tag */
export async function closeNotification(tag) {
  const shown = await (await navigator.serviceWorker?.getRegistration())?.getNotifications({ tag });
  for (const notification of shown ?? []) notification.close();
}

/** In place of the neutral one, for who allowed it; of a page that is open but not looked at. @param {string} tag @param {string} title @param {string} body */
export async function showDetails(tag, title, body) {
  if (!document.hidden || pushState() !== "on") return;
  const registration = await navigator.serviceWorker.ready;
  await registration.showNotification(title, { tag, body, icon: "icon.png", data: tag });
}
