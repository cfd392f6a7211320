import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { CheckpointError } from "../../errors.ts";
import { goldenFile } from "../../../test/support/golden-models.ts";
import type { TextTowerConfig } from "../../towers/index.ts";
import { pairConfig } from "../../pair/published.ts";
import { openPlace } from "../place.ts";
import { siglip2Tokenizer } from "./hugging-face/siglip-family.ts";
import { towerTokenizer } from "./tower-tokenizer.ts";

interface Golden {
  cases: Record<string, { shown: number[][] }>;
  published: Record<string, string>;
}

function golden(name: string): unknown {
  return JSON.parse(gunzipSync(readFileSync(goldenFile("..", name))).toString());
}

const { texts } = golden("captions.json.gz") as { texts: string[] };
const { siglip2 } = golden("family-tokens.json.gz") as { siglip2: Golden };

const root = mkdtempSync(join(tmpdir(), "limn-tower-words-"));
after(() => rmSync(root, { recursive: true }));

/** SigLIP 2's files as they were published, with changes of tokenizer_config.json. */
function published(changes: Record<string, unknown>): string {
  const folder = mkdtempSync(join(root, "published-"));
  for (const [name, text] of Object.entries(siglip2.published)) {
    writeFileSync(join(folder, name), text);
  }
  const file = join(folder, "tokenizer_config.json");
  const config = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify({ ...config, ...changes }));
  return folder;
}

function sourceOf(
  family: "CLIP" | "SigLIP 2",
  changes: Partial<TextTowerConfig>,
): Parameters<typeof towerTokenizer>[1] {
  const config = pairConfig(family === "CLIP" ? "ViT-B/32" : "SigLIP-B/16");
  const text = { ...config.text, ...changes } as TextTowerConfig;
  const rules = family === "CLIP" ? {} : siglip2Tokenizer;
  return { rules, contents: { kind: "pair", config: { ...config, text } } };
}

const two = { contextLength: 16, vocabSize: 256_000 };

describe("the tokenizer of a text tower", () => {
  it("is not given rows that the tower does not read", async () => {
    const place = openPlace(published({}));
    const source = sourceOf("SigLIP 2", two);
    for (const contextLength of [8, 17]) {
      await assert.rejects(
        towerTokenizer(place, source, { contextLength }),
        (error) =>
          error instanceof CheckpointError &&
          /Expected 16, the places of its weights, for contextLength/.test(error.message),
      );
    }
    const clip = sourceOf("CLIP", {});
    await assert.rejects(
      towerTokenizer(place, clip, { contextLength: 78 }),
      /Expected at most 77, the places of its weights, .* received 78; give a smaller one/,
    );
  });

  for (const [what, changes] of [
    ["as its configuration says", {}],
    ["where the configuration forgets it", { do_lower_case: undefined }],
    ["where no class is named", { tokenizer_class: undefined }],
  ] as const) {
    it(`lower-cases SigLIP 2's texts ${what}`, async () => {
      const place = openPlace(published(changes));
      const { shown } = siglip2.cases["siglip2-of-gemma"] ?? assert.fail();
      const tokenizer = await towerTokenizer(place, sourceOf("SigLIP 2", two), {});
      const { tokens } = tokenizer.encodeBatch(texts.slice(0, shown.length));
      assert.deepEqual([...tokens], shown.flat());
    });
  }
});
