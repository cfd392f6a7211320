/** The vocabulary beside a flax checkpoint, against SentencePiece's own ids (test/goldens/family-tokens.json.gz). */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";

import { UnsettledError } from "../../../errors.ts";
import { pairConfig } from "../../../pair/published.ts";
import type { Family, ModelSource } from "../../layout.ts";
import { openPlace } from "../../place.ts";
import { flaxTokenizer } from "./tokenizer.ts";

interface Golden {
  files: Record<string, { base64: string }>;
  cases: Record<string, { shown: number[][] }>;
}

function golden(name: string): unknown {
  const url = new URL(`../../../../../test/goldens/${name}`, import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(url)).toString("utf8"));
}

const { texts } = golden("captions.json.gz") as { texts: string[] };
const families = golden("family-tokens.json.gz") as Record<"siglip" | "siglip2", Golden>;

const root = mkdtempSync(join(tmpdir(), "limn-flax-words-"));
after(() => rmSync(root, { recursive: true }));

/** A folder with SentencePiece's model of a golden under another name. */
function folderWith(from: keyof typeof families, file: string, name: string): string {
  const folder = mkdtempSync(join(root, "words-"));
  const { base64 } = families[from].files[file] ?? assert.fail();
  writeFileSync(join(folder, name), Buffer.from(base64, "base64"));
  return folder;
}

function sourceOf(family: Family): Pick<ModelSource, "family" | "contents"> {
  const config = pairConfig("SigLIP-B/16");
  const text = { ...config.text, contextLength: 16, vocabSize: 256_000 };
  return { family, contents: { kind: "pair", config: { ...config, text } } };
}

describe("the vocabulary of a flax checkpoint", () => {
  const cases: [Family, keyof typeof families, string, string, string][] = [
    ["SigLIP", "siglip", "spiece.model", "spiece.model", "big-vision-lower"],
    ["SigLIP 2", "siglip2", "tokenizer.model", "tokenizer.model", "big-vision-lower"],
    ["LiT", "siglip", "spiece.model", "LiT-L16Ti.model", "lit"],
  ];
  for (const [family, from, file, name, reference] of cases) {
    it(`gives ${family} the rows of its reference, beside the file or named`, async () => {
      const folder = folderWith(from, file, name);
      const { shown } = families[from].cases[reference] ?? assert.fail();
      const source = sourceOf(family);
      const empty = mkdtempSync(join(root, "empty-"));
      const found = [
        await flaxTokenizer(openPlace(folder), "LiT-L16Ti.npz", source, {}),
        await flaxTokenizer(openPlace(empty), "LiT-L16Ti.npz", source, { tokenizer: folder }),
        await flaxTokenizer(openPlace(empty), "LiT-L16Ti.npz", source, {
          tokenizer: join(folder, name),
        }),
      ];
      assert.ok(shown.length > 10);
      for (const tokenizer of found) {
        const { tokens } = tokenizer.encodeBatch(texts.slice(0, shown.length));
        assert.deepEqual([...tokens], shown.flat());
      }
    });
  }

  it("has rows as long as the weights say", async () => {
    const place = openPlace(folderWith("siglip", "spiece.model", "spiece.model"));
    await assert.rejects(
      flaxTokenizer(place, "b16.npz", sourceOf("SigLIP"), { contextLength: 12 }),
      /Expected 16, the places of its weights, for contextLength of .* but received 12; leave it out/,
    );
  });

  it("is asked for where a folder has none", async () => {
    const empty = mkdtempSync(join(root, "empty-"));
    const place = openPlace(empty);
    for (const given of [{}, { tokenizer: empty }]) {
      await assert.rejects(
        flaxTokenizer(place, "b16.npz", sourceOf("SigLIP"), given),
        (error) => error instanceof UnsettledError && error.message.includes("none of b16.model"),
      );
    }
  });
});
