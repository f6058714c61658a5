// The version in sw.js stands for all files: `node tests/app/version.js` writes it.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { files } from "./sizes.js";

const VERSION = /^const VERSION = "(.*)";$/m;
export const worker = files.find((path) => basename(path) === "sw.js");
export const served = files.filter((path) => basename(path) !== "package.json");

export const versionIn = (text) => VERSION.exec(text)[1];

export function versionOf() {
  const hash = createHash("sha256");
  for (const path of served) {
    const read = readFileSync(path), raw = path === worker ? read.toString().replace(VERSION, "") : read;
    hash.update(`${basename(path)} ${raw.length}\n`).update(raw);
  }
  return hash.digest("hex").slice(0, 12);
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const text = readFileSync(worker, "utf8");
  writeFileSync(worker, text.replace(VERSION, `const VERSION = "${versionOf()}";`));
}
