// Reads tests/vectors, as its README says.
import { readFileSync } from "node:fs";

const FOLDER = new URL("../vectors/", import.meta.url);

export const vectors = (name) => JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"));
