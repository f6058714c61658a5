// What is on the screen: DOM nodes of a model. Text only ever becomes text nodes, and
// text of others is made harmless first.
import { encodeBase64url } from "./bytes.js";
import { secondsLeft } from "./cards.js";
import { commandText, makeHarmless } from "./harmless.js";
import { idOf, now } from "./keys.js";
import { cardOf, endOf, hostOf, isShown, waiting } from "./state.js";
import { language, t } from "./texts.js";

/** @import { Waiting } from "./cards.js" */
/** @import { Host } from "./keys.js" */
/** @import { Model, Shown, Step, View } from "./state.js" */
/** @typedef {Node | string | null | false | undefined} Child */
/** @typedef {Record<string, (...given: any[]) => any>} Act what buttons do; see app.js */
/** @typedef {{main: Child[], actions: Child[]}} Screen */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name @param {Record<string, any>} props @param {Child[]} children
 */
export function h(name, props = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else if (value !== false && value != null) node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== false && child !== undefined));
  return node;
}

const title = (/** @type {string} */ text) => h("h1", { tabindex: -1 }, text);
const p = (/** @type {string} */ text, kind = "") => h("p", { class: kind }, text);
const button = (/** @type {string} */ text, /** @type {(event: Event) => void} */ click, kind = "", id = "") =>
  h("button", { type: "button", class: kind, id: id || null, click }, text);
const note = (/** @type {Child[]} */ ...children) => h("div", { class: "note" }, ...children);
const rows = (/** @type {[string, Child[]][]} */ all) =>
  h("dl", {}, ...all.flatMap(([name, value]) => [h("dt", {}, t(name)), h("dd", {}, ...value)]));
const two = (/** @type {Child[]} */ ...children) => h("div", { class: "two" }, ...children);
/** Asks once more, and says what it does. */
const sure = (/** @type {string} */ ask, /** @type {string} */ text, /** @type {string} */ yes, /** @type {() => void} */ click) =>
  h("details", {}, h("summary", {}, ask), p(text), button(yes, click, "bad"));

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const safe = (/** @type {string} */ text, limit = 255) => {
  const shown = makeHarmless(text, limit);
  // Attack: letters of such a script turn around what stands beside them: "user, host, address" the other way.
  return RIGHT_TO_LEFT.test(shown) ? `\u2068${shown}\u2069` : shown;
};
const nameOf = (/** @type {Host | undefined} */ host) => (host ? safe(host.name, 64) : "?");
const when = (/** @type {number} */ seconds) => {
  // Attack: a host says a time that no zone can show.
  try {
    return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" }).format(1000 * seconds);
  } catch {
    return String(seconds);
  }
};
/** As `pushmfa` shows it on the host. @param {Uint8Array} id */
export const fingerprint = (id) =>
  [...id.slice(0, 8)].map((byte, at) => (at && at % 2 === 0 ? " " : "") + byte.toString(16).padStart(2, "0")).join("");
/** @param {Model} model @param {Shown} card */
export const gist = (model, { statement, ...card }) => {
  const { user, remote_address: from } = statement;
  return `${safe(user, 64)} · ${nameOf(hostOf(model, card))}${from ? ` · ${safe(from, 64)}` : ""}`;
};

/** @param {Model} model @param {Act} act @returns {Screen} */
export function screenOf(model, act) {
  const { view } = model;
  switch (view.screen) {
    case "home": return home(model, act);
    case "card": {
      const card = cardOf(model, view.key);
      return card ? (card.state === "waiting" ? ask(model, act, card) : ended(model, act, card)) : home(model, act);
    }
    case "hosts": return hosts(model, act);
    case "host": {
      const host = model.hosts.find((each) => idOf(each) === view.id);
      return host ? hostPage(model, act, host) : hosts(model, act);
    }
    case "history": return history(model, act);
    case "stale": return { main: [title(t("stale")), p(t("stale_text"))], actions: [button(t("done"), act.home, "main")] };
    case "elsewhere": return { main: [title(t("elsewhere")), p(t("elsewhere_text"))], actions: [button(t("use_here"), act.restart, "main")] };
    case "enroll": return enroll(view.step, act);
  }
}

/** @param {View} view @param {Act} act */
const nav = (view, act) =>
  h("nav", {}, ...["home", "hosts", "history"].map((screen) =>
    h("button", { type: "button", "aria-current": view.screen === screen && "page", click: () => act.go({ screen }) }, t(screen))));

/** @param {Model} model */
export function linkState({ links }) {
  if (!navigator.onLine) return "offline";
  const states = Object.values(links);
  return ["ready", "refused", "dialing"].find((state) => states.includes(state)) ?? "down";
}
/** @param {Model} model @param {Act} act @returns {Child[]} */
const notices = ({ notes, hosts, push, isUpdated }, act) => [
  ...notes.map((each) => {
    const host = nameOf(hosts.find((known) => idOf(known) === each.host));
    const text = t(`n_${each.kind}`, { host, label: safe(each.label, 64), by: safe(each.by, 64) });
    return note(p(`${text} (${when(each.at)})`), button(t("seen"), () => act.seen(each)));
  }),
  isUpdated && note(p(t("update")), button(t("update_now"), act.update)),
  push !== "on" && hosts.length > 0 && note(p(t(`push_${push}`)), push === "off" && button(t("push_on"), act.push)),
];

/** @param {Model} model @param {Act} act @returns {Screen} */
function home(model, act) {
  const all = waiting(model);
  if (!model.hosts.length) {
    return { main: [h("div", { class: "calm" }, title(t("hello")), p(t("hello_text")))], actions: [button(t("add"), act.add, "main")] };
  }
  const state = linkState(model);
  const calm = h("div", { class: "calm" }, title(t("calm")), p(t("calm_text"), "dim"), p(t(`link_${state}`), state === "ready" ? "good" : "dim"));
  const list = all.map((card) => {
    const open = () => act.go({ screen: "card", key: card.key });
    return h("button", { type: "button", class: "link box", click: open }, t(`k_${card.statement.kind}`), h("small", {}, gist(model, card)), left(card));
  });
  const count = all.length === 1 ? t("waits_one") : t("waits", { n: all.length });
  return {
    main: all.length ? [title(count), all.length > 1 && note(p(t("waits_text"))), ...list] : [calm, ...notices(model, act)],
    actions: [nav(model.view, act)],
  };
}

/** @param {Waiting} card */
const left = (card) => h("small", { "data-until": card.expires_at }, t("left", { n: secondsLeft(card, now()) }));

/** @param {Model} model @param {Shown} card */
function facts(model, { statement: asked, ...card }) {
  const host = hostOf(model, card), plain = (/** @type {string} */ text) => [safe(text)];
  const line = (/** @type {string} */ text, kind = "") => h("span", { class: kind }, `\n${text}`);
  const { command, first_factor: factor } = asked;
  /** @type {[string, Child[] | null][]} */
  const all = [
    ["who", [
      h("b", {}, safe(asked.user)), ` (uid ${asked.uid})`,
      asked.requesting_user !== null && line(t("says", { user: safe(asked.requesting_user) })),
      asked.approver !== asked.user && line(t("approver", { user: safe(asked.approver) })),
    ]],
    // The name kept here: what a host says of itself later is its own choice, and it
    // could choose the name of another.
    ["where", [
      h("b", {}, nameOf(host)),
      host && host.name !== host.host_name && line(safe(host.host_name)),
      host && asked.host_name !== host.host_name && line(t("renamed", { name: safe(asked.host_name) }), "bad"),
      host && asked.epoch < host.epoch && line(t("went_back"), "bad"),
      host?.counter === 0 && line(t("first_time"), "dim"),
    ]],
    ["from", [
      asked.remote_address === null ? t("no_address") : h("b", {}, safe(asked.remote_address)),
      ...asked.remote_notes.map((each) => line(safe(each))),
    ]],
    ["command", command && commandRow(command)],
    ["asks", asked.text === null ? null : [safe(asked.text, 2_500)]],
    ["service", plain(asked.service)],
    ["before", !factor && !["login", "sudo", "su"].includes(asked.kind) ? null
      : [!factor ? t("no_factor") : factor.method === "stack" ? t("stack") : `${factor.method} ${safe(factor.fingerprint ?? "")}`]],
    ["tty", asked.tty ? plain(asked.tty) : null],
    ["time", [t("host_clock", { time: when(asked.issued_at) })]],
    ["risk", asked.risk.length ? [h("span", { class: "bad" }, asked.risk.join(", "))] : null],
  ];
  return h("div", { class: "box" }, rows(/** @type {[string, Child[]][]} */ (all.filter(([, value]) => value))));
}
/** @param {import("./wire.js").Command} command */
function commandRow(command) {
  const { head, tail, hiddenBytes, length } = commandText(command), isCut = hiddenBytes > 0 || tail !== "";
  return [
    h("code", {}, head),
    isCut && h("span", { class: "bad" }, `\n${t("hidden", { n: hiddenBytes })}\n`),
    isCut && h("code", {}, tail),
    isCut && h("span", { class: "bad" }, `\n${t("cut", { n: length })}`),
  ];
}

/** @param {Model} model @param {Act} act @param {Waiting} card @returns {Screen} */
function ask(model, act, card) {
  const { statement: asked } = card, { digits } = asked, host = hostOf(model, card);
  const others = Math.max(asked.others_pending, waiting(model).length - 1);
  const id = `number-${card.key}`, mustVerify = asked.verification === "required", canApprove = !mustVerify || host?.credential;
  const error = h("p", { class: "bad", role: "alert", id: `${id}-error` });
  const number = h("input", {
    id, class: "number", inputmode: "numeric", autocomplete: "off", enterkeyhint: "done", maxlength: digits, pattern: "[0-9]*",
    placeholder: t("number"), "aria-label": t("number"), "aria-describedby": `${id}-error`,
  });
  const send = (/** @type {any} */ choice) => act.answer(card, choice, (/** @type {string} */ text) => {
    error.textContent = text;
    number.focus();
  });
  const approve = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!/^[0-9]+$/.test(number.value) || number.value.length !== digits) {
      error.textContent = t("digits", { n: digits });
      number.focus();
      return;
    }
    send({ decision: "approval", number: number.value });
  };
  const deny = (/** @type {string} */ reason) => send({ decision: "denial", reason });
  const total = Math.max(card.statement.lifetime, 1);
  const mine = sure(t("not_mine"), t("not_mine_text"), t("not_mine_yes"), () => deny("not_me"));
  return {
    main: [
      title(t(`k_${asked.kind}`)),
      others > 0 && note(p(t("others", { n: others })), waiting(model).length > 1 && button(t("waits", { n: waiting(model).length }), act.home)),
      facts(model, card),
      p(mustVerify ? t(canApprove ? "verify_text" : "verify_none") : "", canApprove ? "dim" : "bad"),
      mine,
    ],
    actions: [
      h("progress", { max: total, value: secondsLeft(card, now()), "data-until": card.expires_at, "aria-hidden": "true" }),
      left(card),
      h("form", { novalidate: true, submit: approve },
        canApprove && number, error,
        two(button(t("deny"), () => deny("cancel")), canApprove && h("button", { class: "main" }, t("approve")))),
    ],
  };
}

/** @param {Model} model @param {Act} act @param {Shown} card @returns {Screen} */
function ended(model, act, card) {
  const end = endOf(card), isUnsent = end === "sent" && linkState(model) !== "ready";
  const kind = end.startsWith("approved") ? "good" : ["wrong", "not_me", "locked"].includes(end) ? "bad" : "";
  const more = waiting(model).length;
  return {
    main: [title(t(`e_${end}`)), p(t(isUnsent ? "e_unsent_text" : `e_${end}_text`), `lead ${kind}`), facts(model, card)],
    actions: [button(more ? t(more === 1 ? "waits_one" : "waits", { n: more }) : t("done"), act.next, "main")],
  };
}

/** @param {Model} model @param {Act} act @returns {Screen} */
function history(model, act) {
  const all = model.cards.filter(isShown).filter(({ state }) => state !== "waiting").reverse();
  const list = all.map((card) => {
    const open = () => act.go({ screen: "card", key: card.key });
    const text = `${t(`k_${card.statement.kind}`)} · ${gist(model, card)} · ${when(card.statement.issued_at)}`;
    return h("button", { type: "button", class: "link box", click: open }, t(`e_${endOf(card)}`), h("small", {}, text));
  });
  return { main: [title(t("history")), p(t(all.length ? "history_text" : "none_yet"), "dim"), ...list], actions: [nav(model.view, act)] };
}

/** @param {Model} model @param {Act} act @returns {Screen} */
function hosts(model, act) {
  const list = model.hosts.map((host) => {
    const open = () => act.go({ screen: "host", id: idOf(host) });
    const state = host.status === "revoked" ? t("revoked") : `${safe(host.user, 64)} · ${t("last_seen")}: ${host.last_seen ? when(host.last_seen) : t("never")}`;
    return h("button", { type: "button", class: "link box", click: open }, nameOf(host), h("small", {}, state));
  });
  const details = h("input", { type: "checkbox", checked: model.details, change: (/** @type {any} */ { target }) => act.details(target.checked) });
  return {
    main: [
      title(t("hosts")), ...list, button(t(list.length ? "add_more" : "add"), act.add),
      h("label", { class: "check" }, details, t("details")), p(t("details_text"), "dim"), ...notices(model, act),
    ],
    actions: [nav(model.view, act)],
  };
}

/** @param {Model} model @param {Act} act @param {Host} host @returns {Screen} */
function hostPage(model, act, host) {
  const id = `name-${idOf(host)}`, name = h("input", { id, maxlength: 64, autocomplete: "off", value: makeHarmless(host.name, 64) });
  const rename = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (name.value.trim()) act.rename(host, name.value.trim());
  };
  const relay = (/** @type {string} */ url) => `${safe(url)}\n${t(model.links[url] === "ready" ? "connected" : "not_connected")}\n`;
  const isOn = host.status !== "revoked";
  return {
    main: [
      title(nameOf(host)),
      !isOn && note(p(t("revoked"))), host.isLost && note(p(t("no_keys_left"))),
      h("form", { submit: rename }, h("label", { for: id }, t("name")), h("div", { class: "field" }, name, h("button", {}, t("save")))),
      h("div", { class: "box" }, rows([
        ["host", [safe(host.host_name)]], ["user", [safe(host.user)]], ["fingerprint", [h("code", {}, fingerprint(host.host_id))]],
        ["since", [when(host.enrolled_at)]], ["last_seen", [host.last_seen ? when(host.last_seen) : t("never")]],
        ["relay", host.relays.map(relay)], ["notifications", [t(model.push === "on" ? "works" : "works_not")]],
        ["storage", [t(model.isKept ? "kept" : "not_kept")]], ["verified", [t(host.credential ? "yes" : "no")]],
      ])),
      isOn && model.push === "on" && button(t("test"), () => act.test(host)),
      h("p", { role: "status" }, model.tested && t(`t_${model.tested === "asked" ? "" : model.tested}`)),
      sure(t("remove"), t("remove_text", { host: nameOf(host) }), t("remove_yes"), () => act.remove(host)),
    ],
    actions: [button(t("back"), () => act.go({ screen: "hosts" }))],
  };
}

/** @param {Step} step @param {Act} act @returns {Screen} */
function enroll(step, act) {
  const cancel = button(t("cancel"), act.cancel);
  const problem = (/** @type {string | undefined} */ code, params = {}) =>
    h("p", { class: "bad", role: "alert" }, code && t(`x_${code}`, params));
  switch (step.at) {
    case "link": {
      const text = h("textarea", { id: "link", rows: 3, autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
      const use = (/** @type {Event} */ event) => (event.preventDefault(), act.link(text.value));
      const video = h("video", { muted: true, playsinline: true, hidden: true, "aria-label": t("scan_text") });
      return {
        main: [
          title(t("add")), p(t("paste_text")), video, "BarcodeDetector" in globalThis && button(t("scan"), () => act.scan(video)),
          h("form", { id: "link-form", submit: use }, h("label", { for: "link" }, t("paste")), text), problem(step.error, step.params),
        ],
        actions: [two(cancel, h("button", { class: "main", form: "link-form" }, t("next")))],
      };
    }
    case "install":
      return {
        main: [title(t("install")), p(t("install_text")), h("ol", {}, ...["install_1", "install_2", "install_3"].map((name) => h("li", {}, t(name))))],
        actions: [button(t("copy"), () => act.copy(step.link), "main"), button(t("go_on"), () => act.about(step.link))],
      };
    case "about": {
      const label = h("input", { id: "label", maxlength: 64, value: /Android|iPhone|iPad|Mac|Windows|Linux/.exec(navigator.userAgent)?.[0] ?? "app", autocomplete: "off" });
      const verify = h("input", { type: "checkbox", checked: act.isBuiltIn(), id: "verify" });
      const go = (/** @type {Event} */ event) => (event.preventDefault(), act.enroll(step.link, label.value.trim() || "app", verify.checked));
      return {
        main: [
          title(t("add")), h("form", { id: "about", submit: go }, h("label", { for: "label" }, t("device_name")), label, p(t("device_name_text"), "dim"),
            act.canVerify() && h("label", { class: "check" }, verify, t("use_verify"))), problem(step.error),
        ],
        actions: [two(cancel, h("button", { class: "main", form: "about" }, t("next")))],
      };
    }
    case "connecting":
      return { main: [h("div", { class: "calm" }, title(t("connecting")))], actions: [cancel] };
    case "trust":
      return {
        main: [
          title(t("trust")), p(t("trust_text")),
          h("div", { class: "box" }, rows([
            ["host", [h("b", {}, safe(step.host))]], ["user", [h("b", {}, safe(step.user))]],
            ["fingerprint", [h("code", {}, step.key)]], ["relay", [safe(step.relay)]],
          ])),
        ],
        actions: [two(cancel, button(t("trust_yes"), act.trust, "main"))],
      };
    case "code":
      return {
        main: [title(t("code")), h("p", { class: "digits" }, `${step.code.slice(0, 3)} ${step.code.slice(3)}`), p(t("code_text", { user: safe(step.user, 64), host: safe(step.host, 64) }))],
        actions: [cancel],
      };
    case "done":
      return { main: [h("div", { class: "calm" }, title(t("added")), p(t("added_text", { host: safe(step.host, 64) })))], actions: [button(t("done"), act.finish, "main")] };
    case "failed":
      return { main: [title(t("failed_title")), problem(step.error)], actions: [button(t("done"), act.home, "main")] };
  }
}
/** What has to change before a screen is built again; seconds are written into it as they pass. @param {Model} model */
export function keyOf(model) {
  const { view, cards, hosts: all, notes, push, tested, isKept, isUpdated, details, links } = model;
  const about = cards.map((card) => card.key.slice(-8) + card.state), kept = all.map((host) => [encodeBase64url(host.device_id), host.name, host.status, host.last_seen]);
  return JSON.stringify([view, about, kept, notes, push, tested, isKept, isUpdated, details, links, navigator.onLine]);
}
