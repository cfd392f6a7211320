/**
 * limn's own config.json of the tiny models that test/goldens/generate/end-to-end.py made, for
 * hugging-face-models.py to read with transformers.
 *
 * Run:  npm run build && node test/goldens/generate/hugging-face-configs.mjs
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { align } from "../../../dist/src/checkpoints/layouts/hugging-face/align-family.js";
import { siglip } from "../../../dist/src/checkpoints/layouts/hugging-face/siglip-family.js";
import { siglip2 } from "../../../dist/src/checkpoints/layouts/hugging-face/siglip2-family.js";

for (const [name, family] of Object.entries({ siglip, "siglip2-naflex": siglip2, align })) {
  const folder = new URL(`../models/${name}/`, import.meta.url);
  const file = fileURLToPath(new URL("config.json", folder));
  const { contents } = family.fromConfig(file, JSON.parse(readFileSync(file, "utf8")));
  if (contents.kind !== "pair" || !family.toConfig) throw new Error(`${file} holds no pair`);
  writeFileSync(new URL("limn-config.json", folder), family.toConfig(contents.config));
}
