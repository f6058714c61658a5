// Every vector, in this browser; what came out goes to the server of the page.
import { newDeviceKeys } from "../../../pushmfa/app/crypto.js";
import { runFile } from "../run.js";

const tell = (result) => fetch("/result", { method: "POST", body: JSON.stringify(result) });

// Keys go into the database and come back, as the app keeps them.
async function keptKeys() {
  const request = indexedDB.open("vectors");
  const settled = (name) => new Promise((good, bad) => Object.assign(request, { [name]: good, onerror: bad }));
  request.onupgradeneeded = () => request.result.createObjectStore("keys");
  await settled("onsuccess");
  const store = () => request.result.transaction("keys", "readwrite").objectStore("keys");
  const done = (wish) => new Promise((good, bad) => Object.assign(wish, { onsuccess: () => good(wish.result), onerror: bad }));
  const keys = await newDeviceKeys();
  for (const [name, pair] of Object.entries(keys)) await done(store().put(pair, name));
  const kept = {};
  for (const name of Object.keys(keys)) kept[name] = await done(store().get(name));
  return kept;
}

try {
  for (const file of await (await fetch("/files")).json()) {
    await tell(await runFile(file, await (await fetch(`/tests/vectors/${file}`)).json()));
  }
  const pairs = Object.entries(await keptKeys());
  const failures = pairs.filter(([, pair]) => !pair || pair.privateKey.extractable).map(([name]) => name);
  await tell({ file: "keys in the database", run: pairs.length, hostOnly: 0, failures });
} catch (error) {
  await tell({ file: "page", run: 0, hostOnly: 0, failures: [String(error)] });
}
await tell({ agent: navigator.userAgent });
