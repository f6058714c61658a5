// The start of the app: the model, its session, and what the buttons do.
import { encodeBase64url } from "./bytes.js";
import { Refusal } from "./errors.js";
import * as keep from "./keys.js";
import { now } from "./keys.js";
import { parseLink } from "./link-text.js";
import * as push from "./push.js";
import { fingerprint, gist, h, keyOf, screenOf } from "./screens.js";
import { nextView, START, step, waiting } from "./state.js";
import { language, t } from "./texts.js";
import * as webauthn from "./webauthn.js";

/** @import { Host, Note } from "./keys.js" */
/** @import { Session } from "./session.js" */
/** @import { Happening, Step, View } from "./state.js" */

// First of all: the secret of a link leaves the address bar and the history.
const hash = location.hash.slice(1), opened = hash && location.href;
if (hash) history.replaceState(null, "", location.pathname);

const place = /** @type {HTMLElement} */ (document.getElementById("app"));
const live = /** @type {HTMLElement} */ (document.getElementById("live"));
let shown = "", shownView = "", isVerifier = false, isStolen = false;

const app = {
  model: START,
  /** @param {Happening} happening */
  happen(happening) {
    const before = waiting(app.model);
    app.model = step(app.model, happening, now());
    const news = waiting(app.model).filter(({ key }) => !before.some((card) => card.key === key));
    for (const card of news) live.textContent = `${t("note_title")}: ${gist(app.model, card)}`;
    render();
  },
  /** @param {import("./cards.js").Waiting} card @param {import("./wire.js").Envelope} envelope */
  details(card, envelope) {
    if (!app.model.details) return;
    push.showDetails(encodeBase64url(envelope.id), t(`k_${card.statement.kind}`), gist(app.model, card)).catch(() => undefined);
  },
};
/** @type {Promise<{session: Session, enroll: typeof import("./enroll-flow.js").enroll}> | undefined} */
let loaded;
/** The core: half of the files, and the first screen of a new device needs none of them. */
const core = () =>
  (loaded ??= Promise.all([import("./session.js"), import("./enroll-flow.js")]).then(
    ([{ newSession }, { enroll }]) => ({ session: newSession(app), enroll }),
    () => Promise.reject(new Refusal("not_verified", "incomplete")),
  ));
/** @template T @param {(session: Session) => T} act */
const withSession = async (act) => act((await core()).session);
const change = (/** @type {Partial<import("./state.js").Model>} */ some) => app.happen({ type: "is", change: some });
const go = (/** @type {View} */ view) => app.happen({ type: "go", view });
const at = (/** @type {Step} */ next) => go({ screen: "enroll", step: next });

function render() {
  for (const node of place.querySelectorAll("[data-until]")) {
    const n = Math.max(Math.floor(Number(node.getAttribute("data-until")) - now()), 0);
    if (node instanceof HTMLProgressElement) node.value = n;
    else node.textContent = t("left", { n });
  }
  const key = keyOf(app.model), view = JSON.stringify([app.model.view, app.model.hosts.length > 0]);
  if (key === shown) return;
  // What somebody types stays, and so does the focus, if the same screen is built again.
  const typed = [...place.querySelectorAll("input, textarea")].map((node) => /** @type {HTMLInputElement} */ (node)).filter(({ id }) => id);
  const focused = document.activeElement?.id ?? "", isOpen = place.querySelector("details")?.open ?? false;
  const { main, actions } = screenOf(app.model, act);
  const content = main.filter((child) => child instanceof Node), below = actions.filter((child) => child instanceof Node);
  place.replaceChildren(h("div", { class: "content" }, ...content), h("div", { class: "actions" }, ...below));
  const isSame = view === shownView;
  shown = key;
  shownView = view;
  if (!isSame) {
    scrollTo(0, 0);
    place.querySelector("h1")?.focus();
    return;
  }
  for (const old of typed) {
    const node = document.getElementById(old.id);
    if (node instanceof HTMLInputElement && node.type === "checkbox") node.checked = old.checked;
    else if (node instanceof HTMLInputElement || node instanceof HTMLTextAreaElement) node.value = old.value;
  }
  const details = place.querySelector("details");
  if (details) details.open = isOpen;
  const again = focused && document.getElementById(focused);
  if (again) again.focus();
  else place.querySelector("h1")?.focus();
}

// --- enrollment ---

let trusted = () => {}, canceled = (/** @type {unknown} */ _error) => {}, isEnrolling = false;

/** @param {string} text */
function useLink(text) {
  try {
    const { origin } = parseLink(text);
    if (origin !== location.origin) return at({ at: "link", error: "other_app", params: { origin } });
    // Only Safari on an iPhone has it; false: a tab, which gets no notifications.
    const isTab = "standalone" in navigator && !navigator.standalone;
    return at(isTab ? { at: "install", link: text } : { at: "about", link: text });
  } catch (error) {
    return at({ at: "link", error: error instanceof Refusal ? error.code : "not_a_link" });
  }
}

/** @param {string} link @param {string} label @param {boolean} verifies */
async function runEnrollment(link, label, verifies) {
  if (isEnrolling) return;
  isEnrolling = true;
  let credential = null;
  try {
    credential = verifies ? await webauthn.register(label) : null;
  } catch {
    isEnrolling = false;
    return at({ at: "about", link, error: "no_verify" });
  }
  at({ at: "connecting" });
  const stop = new Promise((_, fail) => (canceled = fail));
  stop.catch(() => undefined);
  try {
    const { session, enroll } = await core();
    const host = await enroll(link, { label, credential }, session, {
      canceled: /** @type {Promise<never>} */ (stop),
      trust(said, relay) {
        at({ at: "trust", host: said.host_name, user: said.user, key: fingerprint(said.host_id), relay });
        return new Promise((done) => (trusted = () => done(at({ at: "connecting" }))));
      },
      code: (code, said) => at({ at: "code", code, host: said.host_name, user: said.user }),
    });
    at({ at: "done", host: host.host_name });
    persist().then((isKept) => change({ isKept })); // Firefox asks the person, who may take her time
  } catch (error) {
    const { kind, code } = error instanceof Refusal ? error : { kind: "", code: "checks" };
    const isKnown = t(`x_${code}`) !== `x_${code}` && kind !== "bad_key";
    at({ at: "failed", error: isKnown ? code : "checks" });
  } finally {
    isEnrolling = false;
  }
}
const persist = async () => (await navigator.storage?.persist?.().catch(() => false)) ?? false;

/** @param {HTMLVideoElement} video */
async function scan(video) {
  try {
    const detector = new /** @type {any} */ (globalThis).BarcodeDetector({ formats: ["qr_code"] });
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    video.srcObject = stream;
    video.hidden = false;
    await video.play();
    let found;
    while (!found && video.isConnected) {
      [found] = await detector.detect(video);
      await new Promise((done) => setTimeout(done, 200));
    }
    for (const track of stream.getTracks()) track.stop();
    if (found && video.isConnected) useLink(found.rawValue);
  } catch {
    live.textContent = t("no_camera");
  }
}

// --- what the buttons do ---

/** @type {import("./screens.js").Act} */
const act = {
  go,
  home: () => go({ screen: "home" }),
  next: () => go(nextView(app.model)),
  restart: () => location.reload(),
  update: () => navigator.serviceWorker.getRegistration().then((found) => found?.waiting?.postMessage("update")),
  async push() {
    await Notification.requestPermission();
    change({ push: push.pushState() });
    await withSession((session) => session.subscribe()).catch(() => change({ push: "unsupported" }));
  },
  async seen(/** @type {Note} */ note) {
    const notes = app.model.notes.filter((each) => each !== note);
    change({ notes });
    await keep.put({ notes });
  },
  async details(/** @type {boolean} */ details) {
    await keep.put({ details });
    change({ details });
  },
  async answer(card, choice, problem) {
    const buttons = place.querySelectorAll("button");
    for (const each of buttons) each.disabled = true; // not twice
    try {
      await withSession((session) => session.answer(card, choice));
    } catch (error) {
      const isUnverified = error instanceof DOMException && error.name !== "QuotaExceededError";
      problem(isUnverified ? t("verify_failed") : t("failed", { error: error instanceof Error ? error.name : "" }));
    } finally {
      for (const each of buttons) each.disabled = false;
    }
  },
  add: () => at({ at: "link" }),
  link: useLink,
  scan,
  copy: (/** @type {string} */ link) => navigator.clipboard.writeText(link).then(() => (live.textContent = t("copied"))),
  about: (/** @type {string} */ link) => at({ at: "about", link }),
  canVerify: webauthn.canVerify, // also by a security key, which may not be plugged in yet
  isBuiltIn: () => isVerifier,
  enroll: runEnrollment,
  trust: () => trusted(),
  cancel() {
    if (isEnrolling) canceled(new Refusal("not_verified", "canceled"));
    else go({ screen: "home" });
  },
  finish: () => go(nextView(app.model)),
  async test(/** @type {Host} */ host) {
    change({ tested: (await withSession((session) => session.test(host))) ? "asked" : "none" });
  },
  async rename(/** @type {Host} */ host, /** @type {string} */ name) {
    await withSession((session) => session.rename(host, name));
    live.textContent = t("saved");
  },
  async remove(/** @type {Host} */ host) {
    await withSession((session) => session.removeHost(host));
    go({ screen: "hosts" });
  },
};

// --- the start ---

async function registerWorker() {
  if (!("serviceWorker" in navigator)) return;
  const types = /** @type {any} */ (globalThis).trustedTypes;
  const createScriptURL = (/** @type {string} */ url) => {
    if (url !== "/sw.js") throw new TypeError(url);
    return url;
  };
  const url = types ? types.createPolicy("sw", { createScriptURL }).createScriptURL("/sw.js") : "/sw.js";
  const had = navigator.serviceWorker.controller;
  navigator.serviceWorker.addEventListener("message", ({ data }) => {
    if (data.dial) dial(true);
    if (data.woken !== undefined) wake(data.woken);
  });
  navigator.serviceWorker.addEventListener("controllerchange", () => had && location.reload());
  const registration = await navigator.serviceWorker.register(url, { type: "module", updateViaCache: "none" });
  const look = () => change({ isUpdated: Boolean(registration.waiting && navigator.serviceWorker.controller) });
  registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", look));
  look();
}

const dial = (/** @type {boolean} */ anew) => void withSession((session) => session.dialNow(anew)).catch(() => undefined);
const wake = (/** @type {string} */ id) => void withSession((session) => session.woken(id)).catch(() => undefined);
/** By a link or a tapped notification. @param {string} fragment @param {string} href */
function arrive(fragment, href) {
  const woken = /^e=([\w-]{0,22})$/.exec(fragment);
  if (woken) wake(woken[1]);
  else if (fragment && !isEnrolling) useLink(href);
}

async function start() {
  document.documentElement.lang = language;
  navigator.locks?.request("pushmfa", { steal: true }, () => new Promise(() => {})).catch(() => {
    isStolen = true; // a newer window took over: two would count and answer apart
    loaded?.then(({ session }) => session.stop()).catch(() => undefined);
    go({ screen: "elsewhere" });
  });
  const asked = [webauthn.isBuiltIn(), navigator.storage?.persisted?.()];
  const isNew = !(await keep.entries("host:")).length;
  change({ push: push.pushState() });
  if (isNew && !hash) go({ screen: "home" });
  const [isBuiltIn, isKept] = await Promise.all(asked);
  isVerifier = isBuiltIn ?? false;
  change({ isKept: isKept ?? false });
  if (isNew) arrive(hash, opened);
  const { session } = await core();
  if (isStolen) return; // while it was loaded
  await session.start();
  if (!isNew) {
    go(nextView(app.model));
    arrive(hash, opened);
  }
  registerWorker().catch(() => undefined);
  setInterval(() => {
    app.happen({ type: "tick" });
  }, 500);
  let hiddenAt = 0;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hiddenAt = now();
    else if (!isStolen) dial(now() - hiddenAt > 10);
  });
  addEventListener("online", () => dial(true));
  addEventListener("hashchange", () => {
    const late = location.hash.slice(1), href = location.href;
    history.replaceState(null, "", location.pathname);
    arrive(late, href);
  });
}
start().catch((error) => {
  const text = t(error instanceof Refusal ? `x_${error.code}` : "x_no_keys");
  place.replaceChildren(h("div", { class: "content" }, h("h1", {}, t("app")), h("p", { class: "bad" }, text), h("p", {}, String(error))));
});
