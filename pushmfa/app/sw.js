// The service worker: the app without a network, and notifications. A push may be forged:
// it is shown as neutral text, and nothing is decided in a notification.
import { t } from "./texts.js";

const VERSION = "0c5b040db421";
const FILES = [
  "./", "app.js", "attempt.js", "bytes.js", "cards.js", "crypto.js", "curve.js", "enroll-flow.js", "enroll.js", "errors.js", "harmless.js", "icon.png",
  "icon.svg", "json.js", "keys.js", "link-text.js", "link.js", "manifest.webmanifest", "push.js", "screens.js", "session.js",
  "shape.js", "state.js", "style.css", "texts.js", "webauthn.js", "wire.js",
];
const worker = /** @type {any} */ (globalThis);
const known = new Set(FILES.map((file) => new URL(file, worker.location.href).pathname));

// All files of one version, or none: a page never runs a mixture. The old version serves
// its pages until they are closed or ask for the new one.
worker.addEventListener("install", (/** @type {any} */ event) => {
  const fetched = FILES.map((file) => new Request(file, { cache: "reload" }));
  event.waitUntil(caches.open(VERSION).then((cache) => cache.addAll(fetched)));
});
worker.addEventListener("activate", (/** @type {any} */ event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name !== VERSION) await caches.delete(name);
    await worker.clients.claim();
  })());
});
worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== worker.location.origin || !known.has(pathname)) return;
  event.respondWith((async () => {
    const cache = await caches.open(VERSION);
    return (await cache.match(pathname)) ?? fetch(event.request);
  })());
});

worker.addEventListener("message", (/** @type {any} */ { data }) => data === "update" && worker.skipWaiting());

const pages = () => worker.clients.matchAll({ type: "window", includeUncontrolled: true });

worker.addEventListener("push", (/** @type {any} */ event) => {
  const said = event.data?.text() ?? "", id = /^[\w-]{22}$/.test(said) ? said : "";
  event.waitUntil((async () => {
    for (const page of await pages()) page.postMessage({ dial: true });
    const look = { icon: "icon.png", badge: "icon.png", renotify: Boolean(id) };
    await worker.registration.showNotification(t("note_title"), { ...look, body: t("note_text"), tag: id, data: id });
  })());
});
worker.addEventListener("notificationclick", (/** @type {any} */ event) => {
  const { data: id, tag } = event.notification;
  event.notification.close();
  event.waitUntil((async () => {
    const [page] = await pages();
    if (!page) return worker.clients.openWindow(`./#e=${id || tag}`);
    page.postMessage({ woken: id || tag });
    return page.focus();
  })());
});
