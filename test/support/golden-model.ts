/**
 * A tiny model of test/goldens/models in its own files, and its weights by a family's table. For tests.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { DualEncoder, unitRows } from "../../src/pair/dual-encoder.ts";
import type { JsonObject } from "../../src/files/json-fields.ts";
import type {
  HuggingFaceFamily,
  HuggingFaceModel,
} from "../../src/checkpoints/layouts/hugging-face/family.ts";
import { splitRows } from "../../src/checkpoints/checkpoint.ts";
import { checkedRows, copyRows } from "../../src/checkpoints/load-weights.ts";
import type { KeyTable, WeightRow } from "../../src/checkpoints/weights/key-table.ts";
import type { FoundWeight } from "../../src/checkpoints/weights/check-weights.ts";
import { readSafetensors } from "../../src/checkpoints/weights/safetensors.ts";
import type { WeightFile, Weights } from "../../src/checkpoints/weights/weight-file.ts";
import { fromData, isFloating, noGrad, scope, type Tensor } from "../../src/torch/index.ts";
import { createImageTower, createTextTower } from "../../src/towers/index.ts";
import { NaflexVisionTransformer } from "../../src/towers/image/naflex-vision-transformer.ts";
import type { ImagePatches, ImageTower, TextTower } from "../../src/towers/tower.ts";
import { assertClose } from "./close.ts";

export type GoldenModel = DualEncoder | ImageTower | TextTower;

/** expected.json, as test/goldens/generate/hugging-face-models.py writes it. */
export interface Expected {
  rtol: number;
  atol: number;
  pixelShape?: number[];
  pixels?: string;
  grids?: [number, number][];
  tokens?: number[][];
  imageEmbeddings?: string;
  textEmbeddings?: string;
  logits?: string;
  /** Of the image tower's output, and of its weights by the file's names. */
  outputGradient?: string;
  gradients?: Record<string, string>;
}

/** The whole path of a golden model's file. */
export function goldenFile(model: string, name: string): string {
  return fileURLToPath(new URL(`../../../test/goldens/models/${model}/${name}`, import.meta.url));
}

export function readGoldenJson(model: string, name: string): JsonObject {
  return JSON.parse(readFileSync(goldenFile(model, name), "utf8")) as JsonObject;
}

/** Little-endian float32 numbers of a golden. */
export function floats(text: string | undefined): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(text ?? "", "base64")).buffer);
}

/** The golden's weights under its own names. The caller closes the file. */
export function openGolden(model: string): WeightFile {
  return readSafetensors(goldenFile(model, "model.safetensors"));
}

export function createContents(contents: HuggingFaceModel["contents"]): GoldenModel {
  switch (contents.kind) {
    case "pair":
      return new DualEncoder(contents.config);
    case "image":
      return createImageTower(contents.config, contents.embedDim);
    case "text":
      return createTextTower(contents.config, contents.embedDim);
  }
}

/** Every weight by the name that tables use. */
export function namedState(
  kind: "pair" | "image" | "text",
  model: GoldenModel,
): [string, Tensor][] {
  return [...model.namedState(kind === "pair" ? "" : `${kind}Tower`)];
}

/** The table's names of the weights in the file that the model computes with, and what they are. */
export function computedWith(weights: Weights, table: KeyTable): Map<string, FoundWeight> {
  const { ignored, carried } = table;
  const names = weights.names.filter((name) => !ignored?.(name) && !carried?.(name));
  return new Map(
    names.map((name) => {
      const { dtype, shape, storedAs } = weights.info(name);
      return [name, { shape, storedAs, floating: dtype !== undefined && isFloating(dtype) }];
    }),
  );
}

export function neededWeights(rows: readonly WeightRow[]): Map<string, readonly number[]> {
  return new Map(rows.flatMap(({ parts }) => parts.map((part) => [part.name, part.fileShape])));
}

/** The family's golden with its weights, in evaluation mode. */
export function loadGolden(
  family: HuggingFaceFamily,
  open: (model: string) => WeightFile = openGolden,
): { model: GoldenModel; contents: HuggingFaceModel["contents"]; rows: WeightRow[] } {
  const file = goldenFile(family.modelType, "config.json");
  const { contents } = family.fromConfig(file, readGoldenJson(family.modelType, "config.json"));
  const table = family.table(contents);
  const model = createContents(contents);
  const state = namedState(contents.kind, model);
  using weights = open(family.modelType);
  const source = { table, weights: () => weights };
  const rows = checkedRows(source, state);
  copyRows(source, rows, state);
  return { model: model.train(false), contents, rows };
}

/** limn's weights under the file's names. */
export function writtenBack(
  rows: readonly WeightRow[],
  state: ReadonlyMap<string, Tensor>,
): Map<string, Tensor> {
  return new Map(splitRows(rows, state));
}

function encodeImages(model: GoldenModel, expected: Expected): Tensor {
  const input = fromData(floats(expected.pixels), expected.pixelShape ?? []);
  const tower = model instanceof DualEncoder ? model.imageTower : model;
  if (expected.grids === undefined) return unitRows(tower.forward(input));
  assert.ok(tower instanceof NaflexVisionTransformer);
  const images: ImagePatches = { patches: input, grids: expected.grids };
  return unitRows(tower.forwardPatches(images));
}

function encodeTexts(model: GoldenModel, { tokens = [] }: Expected): Tensor {
  const ids = fromData(Int32Array.from(tokens.flat()), [tokens.length, tokens[0]?.length ?? 0]);
  const tower = model instanceof DualEncoder ? model.textTower : model;
  return unitRows(tower.forward(ids));
}

/** Asserts that a model, in evaluation mode, computes what the golden's library does. */
export function checkOutputs(model: GoldenModel, expected: Expected): void {
  const { imageEmbeddings, textEmbeddings, logits } = expected;
  scope(() =>
    noGrad(() => {
      const images = imageEmbeddings === undefined ? null : encodeImages(model, expected);
      const texts = textEmbeddings === undefined ? null : encodeTexts(model, expected);
      if (images) assertClose(images.toFloat32Array(), floats(imageEmbeddings), expected, "image");
      if (texts) assertClose(texts.toFloat32Array(), floats(textEmbeddings), expected, "text");
      if (!images || !texts || !(model instanceof DualEncoder)) return;
      const scaled = images.matmul(texts.t()).mul(model.logitScale());
      const found = model.logitBias ? scaled.add(model.logitBias.tensor) : scaled;
      // Up to 16 times the difference of two embeddings.
      assertClose(found.toFloat32Array(), floats(logits), { rtol: 1e-5, atol: 1e-5 }, "logits");
    }),
  );
}
