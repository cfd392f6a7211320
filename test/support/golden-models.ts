/** The tiny checkpoints of test/goldens/models and what their libraries compute. For tests. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { assertClose } from "./close.ts";
import { fromData, noGrad, scope, type Tensor } from "../../src/torch/index.ts";
import { createImageTower } from "../../src/towers/index.ts";
import type { Module } from "../../src/nn/module.ts";
import { loadWeights, splitRows } from "../../src/checkpoints/checkpoint.ts";
import { evaluating } from "../../src/nn/module.ts";
import { DualEncoder } from "../../src/pair/dual-encoder.ts";
import { weightRows, type KeyTable } from "../../src/checkpoints/weights/key-table.ts";
import type { DescribedModel } from "../../src/checkpoints/layout.ts";
import { Place } from "../../src/checkpoints/place.ts";

const root = fileURLToPath(new URL("../../../test/goldens/models", import.meta.url));

export function goldenPlace(name: string, file?: string): Place {
  return placeOf(join(root, name), file);
}

export function placeOf(folder: string, file?: string): Place {
  const path = file === undefined ? folder : join(folder, file);
  return new Place({ path, folder, file: file && path, names: readdirSync(folder) });
}

interface Golden {
  pixels: string;
  tokens: number[][];
  imageEmbeddings: string;
  textEmbeddings: string;
  imageFeatures: string;
  logits: string;
}

function floats(text: string): Float32Array {
  const bytes = Buffer.from(text, "base64");
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

function goldenOf(name: string): Golden {
  return JSON.parse(readFileSync(join(root, name, "expected.json"), "utf8")) as Golden;
}

/** Reads every weight of a source into a model of its configuration; all must match. */
export function fill(source: DescribedModel, model: Module, prefix = ""): void {
  loadWeights(source, { namedState: () => model.namedState(prefix) });
}

/** The pair of a source, with its weights. */
export function pairOf(source: DescribedModel): DualEncoder {
  assert.equal(source.contents.kind, "pair");
  const model = new DualEncoder((source.contents as { config: DualEncoder["config"] }).config);
  fill(source, model);
  return model;
}

/** Asserts that a pair computes what the golden's library does. */
export function assertPair(name: string, model: DualEncoder): void {
  const golden = goldenOf(name);
  const side = model.config.image.imageSize;
  scope(() =>
    evaluating(model, "float32", () => {
      const image = model.encodeImages(fromData(floats(golden.pixels), [2, 3, side, side]));
      const tokens = fromData(Int32Array.from(golden.tokens.flat()), [golden.tokens.length, 8]);
      const text = model.encodeTexts(tokens);
      let logits = image.matmul(text.t()).mul(model.logitScale());
      if (model.logitBias) logits = logits.add(model.logitBias.tensor);
      const close = (actual: Tensor, expected: string, what: string): void =>
        assertClose(actual.toFloat32Array(), floats(expected), { rtol: 1e-5, atol: 2e-6 }, what);
      close(image, golden.imageEmbeddings, "imageEmbeddings");
      close(text, golden.textEmbeddings, "textEmbeddings");
      assertClose(
        logits.toFloat32Array(),
        floats(golden.logits),
        { rtol: 1e-5, atol: 1e-4 },
        "logits",
      );
    }),
  );
}

/** Asserts that an image tower computes the golden's features. */
export function assertTower(name: string, source: DescribedModel): void {
  const { contents } = source;
  if (contents.kind !== "image") return assert.fail("an image tower");
  const golden = goldenOf(name);
  const tower = createImageTower(contents.config, contents.embedDim);
  fill(source, tower, "imageTower");
  const side = contents.config.imageSize;
  scope(() =>
    noGrad(() => {
      const features = tower.features(fromData(floats(golden.pixels), [2, 3, side, side]));
      const expected = floats(golden.imageFeatures);
      assertClose(features.toFloat32Array(), expected, { rtol: 1e-5, atol: 5e-6 }, "features");
    }),
  );
}

/** A model's weights under a table's names. */
export function named(table: KeyTable, model: Module): [string, Tensor][] {
  const state = new Map([...model.namedState()]);
  return splitRows(weightRows(table, state), state).map(([name, piece]) => [
    name,
    piece.contiguous(),
  ]);
}
