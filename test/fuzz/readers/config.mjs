/**
 * The configurations of models: config.json, open_clip_config.json, image processors, tokenizer_config.json
 * and what lies beside them, each damaged in a tiny model's folder that is whole otherwise. The model is
 * opened, with its preprocessing and its tokenizer. The first byte of an input says which file the rest is.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { openModelAt } from "../../../dist/src/checkpoints/open-model.js";
import { mostlyJson } from "../damage-json.mjs";

const goldens = fileURLToPath(new URL("../../goldens/models/", import.meta.url));
const models = [
  ...["clip", "siglip", "siglip2", "siglip2-naflex", "align", "vit", "bert", "timm-vit"],
  ...["open-clip-vit", "open-clip-resnet", "open-clip-siglip-timm"],
];
const names =
  /^(config|open_clip_config|preprocessor_config|processor_config|tokenizer_config)\.json$/;

const seeds = models.flatMap((model) =>
  readdirSync(path.join(goldens, model))
    .filter((name) => names.test(name))
    .map((name) => ({ model, name, bytes: readFileSync(path.join(goldens, model, name)) })),
);

export const files = seeds.map(({ bytes }, kind) => Buffer.concat([Buffer.of(kind), bytes]));

/** @param {Buffer} bytes */
function seedOf(bytes) {
  const seed = seeds[(bytes[0] ?? 0) % seeds.length];
  if (seed === undefined) throw new Error("internal: there are no configurations");
  return seed;
}

/**
 * @param {Buffer} bytes
 * @param {import("../random.mjs").Random} random
 */
export function prepare(bytes, random) {
  const text = mostlyJson(bytes.subarray(1), seedOf(bytes).bytes, random);
  return Buffer.concat([bytes.subarray(0, 1), text]);
}

/** @type {string | undefined} */
let root;

/** A folder with copies of the models, of this process. */
function copies() {
  if (root !== undefined) return root;
  const made = mkdtempSync(path.join(tmpdir(), "limn-c-"));
  process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  for (const model of models) {
    cpSync(path.join(goldens, model), path.join(made, model), { recursive: true });
  }
  root = made;
  return made;
}

/** @param {Buffer} bytes */
export async function read(bytes) {
  const { model, name, bytes: whole } = seedOf(bytes);
  const folder = path.join(copies(), model);
  const file = path.join(folder, name);
  writeFileSync(file, bytes.subarray(1));
  try {
    const source = openModelAt(folder);
    try {
      if (source.contents.kind !== "text") {
        source.evaluationTransform();
        source.naflexTransform?.();
      }
      if (name === "tokenizer_config.json") (await source.tokenizer()).encode("a photo of a cat");
    } finally {
      source.close();
    }
  } finally {
    writeFileSync(file, whole);
  }
}
