/** limn's sizes of open_clip's names beside what open_clip's own modules say of themselves. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { CheckpointError } from "../../../errors.ts";
import type { ImageTowerConfig } from "../../../towers/index.ts";
import type { TextTransformerConfig } from "../../../towers/text/text-transformer.ts";
import type { VisionTransformerConfig } from "../../../towers/image/vision-transformer.ts";
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import { DualEncoder } from "../../../pair/dual-encoder.ts";
import type { JsonObject } from "../../../files/json-fields.ts";
import { weightRows } from "../../weights/key-table.ts";
import { openClipTable } from "./keys.ts";
import { fromModelConfig } from "./model-config.ts";
import { openClipModel, openClipNames } from "./names.ts";

interface Figures {
  text: JsonObject;
  causal: boolean;
  pool: string;
  end: number;
  image: JsonObject;
  parameters: number;
  /** Names with `#` for blocks: how many there are, then the shape. */
  shapes: Record<string, number[]>;
}

const path = new URL("../../../../../test/goldens/open-clip-names.json.gz", import.meta.url);
const golden = JSON.parse(gunzipSync(readFileSync(fileURLToPath(path))).toString()) as {
  models: Record<string, Figures>;
  refused: Record<string, JsonObject>;
};

/** The same model with everything as small as can be: names depend on no width, and a block is as the next. */
function narrow(config: DualEncoderConfig): DualEncoderConfig {
  const text = config.text as TextTransformerConfig;
  return {
    ...config,
    embedDim: 1,
    image: narrowImage(config.image),
    text: { ...text, contextLength: 1, vocabSize: 1, width: 1, depth: 1, heads: 1, mlpWidth: 1 },
  };
}

function narrowImage(image: ImageTowerConfig): ImageTowerConfig {
  if (image.kind === "modifiedResNet") return { ...image, imageSize: 32, width: 2, heads: 1 };
  const vit = image as VisionTransformerConfig;
  return { ...vit, imageSize: 1, patchSize: 1, width: 1, depth: 1, heads: 1, mlpWidth: 1 };
}

const pools: Record<string, string> = { class: "token", map: "map", mean: "avg" };
const acts = { gelu: "GELU", geluTanh: "GELUTanh", quickGelu: "QuickGELU" } as const;

function layers(tower: TextTransformerConfig | VisionTransformerConfig): JsonObject {
  const { heads, width, mlpWidth: mlp, activation, normEpsilon: eps } = tower;
  return { heads, width, mlp, act: acts[activation], eps };
}

describe("openClipModel", () => {
  it("is compared with all of its names", () => {
    assert.deepEqual(Object.keys(golden.models).sort(), [...openClipNames].sort());
  });

  for (const [name, figures] of Object.entries(golden.models)) {
    it(`has the towers and names of ${name}`, () => {
      const { config, names } = openClipModel("x", name);
      const text = config.text as TextTransformerConfig;
      assert.deepEqual(layers(text), figures.text);
      assert.equal(text.attention !== "bidirectional", figures.causal);
      const pool = figures.pool === "last" ? "last" : "eot";
      assert.equal(text.pooling ?? "eot", pool);
      if (pool === "eot") {
        assert.equal(text.eotTokenId, figures.pool === "eos" ? figures.end : text.vocabSize - 1);
      }
      assertImage(config.image, figures);
      assertNames(config, names, figures);
    });
  }

  it("refuses every other model of open_clip, naming a field", () => {
    for (const [name, json] of Object.entries(golden.refused)) {
      assert.throws(
        () => fromModelConfig(name, json),
        (error) => error instanceof CheckpointError && /_cfg/.test(error.message),
        name,
      );
    }
    assert.equal(Object.keys(golden.refused).length, 69);
  });
});

function assertImage(image: ImageTowerConfig, { image: figures, shapes }: Figures): void {
  if (image.kind === "modifiedResNet") {
    const { heads, width } = image;
    assert.deepEqual({ heads, width }, figures);
    assert.equal(
      shapes["visual.attnpool.positional_embedding"]?.[1],
      (image.imageSize / 32) ** 2 + 1,
    );
    return;
  }
  const vit = image as VisionTransformerConfig;
  const { act, pool, ...rest } = figures;
  const { act: ours, ...own } = layers(vit);
  assert.deepEqual(own, rest);
  assert.equal(act, ours);
  assert.equal(pool === "tok" ? "token" : pool, pools[vit.pooling ?? "class"]);
  const grid = Math.floor(vit.imageSize / vit.patchSize) ** 2 + (vit.classToken === false ? 0 : 1);
  const [, ...native] = shapes["visual.positional_embedding"] ?? [];
  const [, ...timm] = shapes["visual.trunk.pos_embed"] ?? [];
  assert.equal(native[0] ?? timm[1], grid);
}

function assertNames(
  config: DualEncoderConfig,
  names: Parameters<typeof openClipTable>[0],
  { shapes }: Figures,
): void {
  const model = new DualEncoder(narrow(config));
  const found: [string, number][] = [];
  for (const { parts } of weightRows(openClipTable(names), model.namedState())) {
    for (const { name } of parts) {
      const pattern = name.replace(/blocks\.0\./, "blocks.#.");
      const tower = name.startsWith("visual.") ? config.image : config.text;
      found.push([pattern, pattern === name ? 1 : (tower as TextTransformerConfig).depth]);
    }
  }
  model.dispose();
  const expected = Object.entries(shapes).map(([name, [count = 0]]) => [name, count] as const);
  assert.deepEqual(Object.fromEntries(found), Object.fromEntries(expected));
  assert.equal(found.length, expected.length);
}
