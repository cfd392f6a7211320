/**
 * Tokenizer files, every kind of them in a tiny vocabulary: a tokenizer is made of one and cuts a few
 * captions. The first byte of an input says which kind the rest is read as.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { createTokenizer } from "../../../dist/src/text/index.js";
import { mostlyJson } from "../damage-json.mjs";

/** @typedef {import("../../../dist/src/text/index.js").TokenizerDescription} Description */

const goldens = new URL("../../goldens/", import.meta.url);

/** @param {string} name */
function golden(name) {
  return JSON.parse(gunzipSync(readFileSync(new URL(name, goldens))).toString("utf8"));
}

/**
 * A file's name, its bytes, and what is read of it.
 * @typedef {{ name: string, bytes: Uint8Array, describe: (file: string) => Description }} Seed
 */

const rows = { contextLength: 32, padId: 0 };

/** @returns {Seed[]} */
function families() {
  const { clip, siglip, siglip2, bert } = golden("family-tokens.json.gz");
  /** @type {(rules: import("../../../dist/src/text/index.js").TextRules) => Seed["describe"]} */
  const by = (rules) => (file) => ({ kind: "tokenizer.json", file, rules, ...rows });
  const bytes = (/** @type {string | { base64: string }} */ content) =>
    typeof content === "string" ? Buffer.from(content) : Buffer.from(content.base64, "base64");
  return [
    { name: "tokenizer.json", bytes: bytes(clip.files["tokenizer.json"]), describe: by("file") },
    {
      name: "tokenizer.json",
      bytes: bytes(siglip2.files["tokenizer.json"]),
      describe: by("siglip2"),
    },
    { name: "tokenizer.json", bytes: bytes(bert.files["tokenizer.json"]), describe: by("bert") },
    { name: "spiece.model", bytes: bytes(siglip.files["spiece.model"]), describe: by("siglip") },
    {
      name: "tokenizer.model",
      bytes: bytes(siglip2.files["tokenizer.model"]),
      describe: by("file"),
    },
    { name: "vocab.txt", bytes: bytes(bert.files["vocab.txt"]), describe: by("file") },
    { name: "vocab.txt", bytes: bytes(bert.files["vocab.txt"]), describe: by("tensorflow-text") },
    {
      name: "merges.txt",
      bytes: bytes(clip.files["merges.txt"]),
      describe: (file) => ({ kind: "clip-bpe", merges: file, contextLength: 32 }),
    },
  ];
}

/** Small files of rarer steps and models, where a change hits a step rather than the vocabulary. */
function steps() {
  /** @type {{ cases: { file: { model: { vocab: object, merges?: unknown[] } } }[] }} */
  const { cases } = golden("tokenize-json.json.gz");
  return cases.map(({ file }) => {
    const small = { ...file, model: shorten(file.model) };
    return {
      name: "tokenizer.json",
      bytes: Buffer.from(JSON.stringify(small)),
      /** @type {Seed["describe"]} */
      describe: (name) => ({ kind: "tokenizer.json", file: name, rules: "file", ...rows }),
    };
  });
}

/** @param {{ vocab: object, merges?: unknown[] }} model */
function shorten(model) {
  const { vocab } = model;
  if (Array.isArray(vocab)) return { ...model, vocab: vocab.slice(0, 40) };
  const entries = Object.entries(vocab).sort(([, a], [, b]) => a - b);
  const kept = Object.fromEntries(entries.slice(0, 300));
  return { ...model, vocab: kept, ...(model.merges !== undefined && { merges: [] }) };
}

const seeds = [...families(), ...steps()];

export const files = seeds.map(({ bytes }, kind) => Buffer.concat([Buffer.of(kind), bytes]));

const captions = [
  "A photo of a naïve cat, it's 25 cm</s> [SEP] <eos>\n",
  "漢字 \u{1f469}\u{1f3fd}\u200d\u{1f680} e\u0301 ▁ İ\u0000 \ufffd",
  `${"a".repeat(300)} ${" ".repeat(300)}!${"ab ".repeat(100)}`,
];

/** @type {string | undefined} */
let folder;

/** @param {Buffer} bytes */
function seedOf(bytes) {
  const seed = seeds[(bytes[0] ?? 0) % seeds.length];
  if (seed === undefined) throw new Error("internal: there are no tokenizer files");
  return seed;
}

/**
 * @param {Buffer} bytes
 * @param {import("../random.mjs").Random} random
 */
export function prepare(bytes, random) {
  const seed = seedOf(bytes);
  if (!seed.name.endsWith(".json")) return bytes;
  const text = mostlyJson(bytes.subarray(1), seed.bytes, random);
  return Buffer.concat([bytes.subarray(0, 1), text]);
}

/** @param {Buffer} bytes */
export async function read(bytes) {
  const seed = seedOf(bytes);
  if (folder === undefined) {
    const made = mkdtempSync(path.join(tmpdir(), "limn-t-"));
    process.once("exit", () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  const file = path.join(folder, seed.name);
  writeFileSync(file, bytes.subarray(1));
  const tokenizer = await createTokenizer(seed.describe(file));
  tokenizer.encodeBatch(captions);
}
