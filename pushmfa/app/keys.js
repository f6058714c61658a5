// What this device keeps, in IndexedDB: one record a key, so that a key that an engine
// cannot read back takes nothing else with it, and each write is over when it is on the disk.
import { encodeBase64url } from "./bytes.js";

/** @import { DeviceKeys } from "./crypto.js" */
/** @import { Enrollment } from "./enroll.js" */
/** @typedef {Enrollment & {name: string, relay: string, last_seen: number, credential: Uint8Array<ArrayBuffer> | null, isLost?: boolean}} Host */
/** @typedef {{id: string, host: string, kind: string, label: string, by: string, at: number}} Note */

/** @type {Promise<IDBDatabase> | undefined} */
let opened;
const open = () =>
  /** @type {Promise<IDBDatabase>} */ (new Promise((done, fail) => {
    const request = indexedDB.open("pushmfa", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("all");
    request.onsuccess = () => done(request.result);
    request.onerror = () => fail(request.error);
  }));

/** @template T @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => () => T} act @returns {Promise<T>} */
async function run(mode, act) {
  const db = await (opened ??= open());
  return new Promise((done, fail) => {
    const tx = db.transaction("all", mode, { durability: "strict" });
    const result = act(tx.objectStore("all"));
    tx.oncomplete = () => done(result());
    tx.onabort = tx.onerror = () => fail(tx.error);
  });
}

/** @param {string} key */
export const get = (key) =>
  run("readonly", (store) => {
    const request = store.get(key);
    return () => request.result;
  });
/** @param {Record<string, unknown>} records */
export const put = (records) =>
  run("readwrite", (store) => {
    for (const [key, value] of Object.entries(records)) store.put(value, key);
    return () => undefined;
  });
/** Reads and writes in one step, so that no counter is used twice; undefined if there is none. @param {string} key @param {(old: any) => any} to */
export const change = (key, to) =>
  run("readwrite", (store) => {
    /** @type {any} */
    let changed;
    const request = store.get(key);
    request.onsuccess = () => {
      if (request.result === undefined) return;
      changed = to(request.result);
      store.put(changed, key);
    };
    return () => changed;
  });
/** @param {string} prefix */
const under = (prefix) => IDBKeyRange.bound(prefix, `${prefix}\uffff`);
/** @param {string} prefix @returns {Promise<[string, any][]>} */
export const entries = (prefix) =>
  run("readonly", (store) => {
    const keys = store.getAllKeys(under(prefix)), values = store.getAll(under(prefix));
    return () => keys.result.map((key, at) => [String(key), values.result[at]]);
  });
/** @param {string[]} keys */
export const remove = (keys) =>
  run("readwrite", (store) => {
    for (const key of keys) store.delete(key);
    return () => undefined;
  });

/** In seconds, as everywhere. */
export const now = () => Date.now() / 1000;
/** @param {{device_id: Uint8Array}} of */
export const idOf = ({ device_id }) => encodeBase64url(device_id);
const PARTS = /** @type {const} */ (["identity", "sealing", "relay"]);
/** @param {string} id */
const keyNames = (id) => PARTS.map((part) => `key:${id}:${part}`);

/** @param {Host} host @param {DeviceKeys} keys */
export function saveHost(host, keys) {
  const id = idOf(host), records = keyNames(id).map((name, at) => [name, keys[PARTS[at]]]);
  return put({ ...Object.fromEntries(records), [`host:${id}`]: host });
}
/** @param {string} id @returns {Promise<DeviceKeys | null>} null: an engine lost one */
export async function loadKeys(id) {
  const [identity, sealing, relay] = await Promise.all(keyNames(id).map(get));
  return identity && sealing && relay ? { identity, sealing, relay } : null;
}
/** @param {string} id */
export const removeHost = (id) => remove([`host:${id}`, ...keyNames(id)]);
/** @param {string} id */
export const removeKeys = (id) => remove(keyNames(id));

/** Whether this browser makes and keeps the keys: tried, not guessed from its name. @param {DeviceKeys} keys */
export async function canKeep(keys) {
  try {
    await put({ "key:try": keys.sealing, "key:try2": keys.identity });
    const [sealing, identity] = [await get("key:try"), await get("key:try2")];
    await remove(["key:try", "key:try2"]);
    return Boolean(sealing?.privateKey && identity?.privateKey);
  } catch {
    return false;
  }
}
