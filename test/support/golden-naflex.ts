/** The tiny SigLIP 2 of test/goldens/models as a folder that loads: with a tokenizer. For tests. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

import { goldenFile, readGoldenJson, type Expected } from "./golden-model.ts";

/** RGB pictures of expected.json, and what transformers makes of each. */
export interface ExpectedPictures extends Expected {
  pictures: { width: number; height: number; data: string }[];
  pictureGrids: [number, number][];
  /** [N, D] unit rows */
  pictureEmbeddings: string;
}

export const expectedPictures = (): ExpectedPictures =>
  readGoldenJson("siglip2", "expected.json") as unknown as ExpectedPictures;

interface Tokenizer {
  model: { vocab: Record<string, number>; merges: unknown[] };
  added_tokens: { id: number }[];
}

/** The tower's own vocabulary: Gemma's form, cut to 64 single characters and special tokens. */
function smallTokenizer(): string {
  const golden = new URL("../../../test/goldens/family-tokens.json.gz", import.meta.url);
  const { siglip2 } = JSON.parse(gunzipSync(readFileSync(golden)).toString()) as {
    siglip2: { files: Record<string, string> };
  };
  const whole = JSON.parse(siglip2.files["tokenizer.json"] ?? "") as Tokenizer;
  const special = whole.added_tokens.filter(({ id }) => id < 8);
  const names = Object.entries(whole.model.vocab).sort(([, a], [, b]) => a - b);
  const letters = "▁abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".split("");
  const kept = new Set([...names.slice(0, 8).map(([name]) => name), ...letters]);
  const vocab = Object.fromEntries([...kept].slice(0, 64).map((name, id) => [name, id]));
  return JSON.stringify({
    ...whole,
    added_tokens: special,
    model: { ...whole.model, vocab, merges: [] },
  });
}

/** `processor` replaces values of preprocessor_config.json. Returns the folder. */
export function saveGoldenNaflex(folder: string, processor: object = {}): string {
  mkdirSync(folder, { recursive: true });
  for (const name of ["config.json", "model.safetensors"]) {
    copyFileSync(goldenFile("siglip2", name), join(folder, name));
  }
  const json = { ...readGoldenJson("siglip2", "preprocessor_config.json"), ...processor };
  writeFileSync(join(folder, "preprocessor_config.json"), JSON.stringify(json));
  writeFileSync(join(folder, "tokenizer.json"), smallTokenizer());
  return folder;
}
