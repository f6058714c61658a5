// How large the app is: `node tests/app/sizes.js` prints a table.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

export const APP = fileURLToPath(new URL("../../pushmfa/app/", import.meta.url));

export const files = readdirSync(APP, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  .sort();

// Comments at the beginning of a line or behind a blank; addresses in texts have none.
const withoutComments = (text) => text.replace(/\/\*\*?[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/ .*$/gm, "").replace(/\n\s*(?=\n)/g, "");

export const sizes = files.map((path) => {
  const raw = readFileSync(path), code = path.endsWith(".js") ? Buffer.from(withoutComments(raw.toString())) : raw;
  return { file: relative(APP, path), bytes: raw.length, code: code.length, gzip: gzipSync(raw).length };
});

export const total = sizes.reduce(
  (sum, { bytes, code, gzip }) => ({ file: "total", bytes: sum.bytes + bytes, code: sum.code + code, gzip: sum.gzip + gzip }),
  { file: "total", bytes: 0, code: 0, gzip: 0 },
);

if (argv[1] === fileURLToPath(import.meta.url)) console.table([...sizes, total]);
