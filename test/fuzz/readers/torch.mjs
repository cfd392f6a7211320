/** Files of torch.save and torch.jit.save, damaged anywhere: the archive above all. */
import { readdirSync, readFileSync } from "node:fs";
import { golden } from "../weights.mjs";
import { readTorch } from "../torch.mjs";

export const files = readdirSync(golden("weights"))
  .filter((name) => /\.(pt|bin)$/.test(name) && name !== "legacy.pt")
  .map((name) => readFileSync(golden(`weights/${name}`)));

/** @param {Buffer} bytes */
export function read(bytes) {
  readTorch(bytes);
}
