/**
 * The tiny checkpoints of test/goldens/models, and what their own libraries compute of pixels and token rows.
 * For tests. From pictures and strings: end-to-end-goldens.ts.
 */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { loadWeights, splitRows } from "../../src/checkpoints/checkpoint.ts";
import type { DescribedModel } from "../../src/checkpoints/layout.ts";
import type {
  HuggingFaceFamily,
  HuggingFaceModel,
} from "../../src/checkpoints/layouts/hugging-face/family.ts";
import { checkedRows, copyRows } from "../../src/checkpoints/load-weights.ts";
import { Place } from "../../src/checkpoints/place.ts";
import {
  weightRows,
  type KeyTable,
  type WeightRow,
} from "../../src/checkpoints/weights/key-table.ts";
import type { FoundWeight } from "../../src/checkpoints/weights/check-weights.ts";
import { readSafetensors } from "../../src/checkpoints/weights/safetensors.ts";
import type { WeightFile, Weights } from "../../src/checkpoints/weights/weight-file.ts";
import type { JsonObject } from "../../src/files/json-fields.ts";
import { evaluating, type Module } from "../../src/nn/module.ts";
import { DualEncoder, unitRows } from "../../src/pair/dual-encoder.ts";
import { fromData, isFloating, noGrad, scope, type Tensor } from "../../src/torch/index.ts";
import { NaflexVisionTransformer } from "../../src/towers/image/naflex-vision-transformer.ts";
import { createImageTower, createTextTower } from "../../src/towers/index.ts";
import type { ImagePatches, ImageTower, TextTower } from "../../src/towers/tower.ts";
import { assertClose } from "./close.ts";

export type GoldenModel = DualEncoder | ImageTower | TextTower;

/** expected.json, as the generators hugging-face-models.py, open-clip-models.py and flax-models.py write it. */
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
  /** Of an image tower of timm, without a projection. */
  imageFeatures?: string;
  /** Of the image tower's output, and of its weights by the file's names. */
  outputGradient?: string;
  gradients?: Record<string, string>;
}

/** Of NaFlex: RGB pictures, and what transformers makes of each. */
export interface ExpectedPictures extends Expected {
  pictures: { width: number; height: number; data: string }[];
  pictureGrids: [number, number][];
  /** [N, D] unit rows */
  pictureEmbeddings: string;
}

/** The whole path of a golden model's file. */
export function goldenFile(model: string, name: string): string {
  return fileURLToPath(new URL(`../../../test/goldens/models/${model}/${name}`, import.meta.url));
}

export function readGoldenJson(model: string, name: string): JsonObject {
  return JSON.parse(readFileSync(goldenFile(model, name), "utf8")) as JsonObject;
}

export function readExpected(model: string): Expected {
  return readGoldenJson(model, "expected.json") as unknown as Expected;
}

export const expectedPictures = (): ExpectedPictures =>
  readExpected("siglip2-naflex") as ExpectedPictures;

/** Little-endian float32 numbers of a golden. */
export function floats(text: string | undefined): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(text ?? "", "base64")).buffer);
}

/** A golden's folder, or one file of it, as layouts read it. `names` are the files that are seen. */
export function goldenPlace(model: string, file?: string, names?: string[]): Place {
  return placeOf(dirname(goldenFile(model, "expected.json")), file, names);
}

export function placeOf(folder: string, file?: string, names = readdirSync(folder)): Place {
  const path = file === undefined ? folder : join(folder, file);
  return new Place({ path, folder, file: file && path, names });
}

/**
 * A copy of the NaFlex pair without tokenizer_config.json, so that its texts are padded as its config.json says.
 * `processor` replaces values of preprocessor_config.json. Returns the folder.
 */
export function saveGoldenNaflex(folder: string, processor: object = {}): string {
  const name = "siglip2-naflex";
  mkdirSync(folder, { recursive: true });
  for (const file of ["config.json", "model.safetensors", "tokenizer.json"]) {
    copyFileSync(goldenFile(name, file), join(folder, file));
  }
  const json = { ...readGoldenJson(name, "preprocessor_config.json"), ...processor };
  writeFileSync(join(folder, "preprocessor_config.json"), JSON.stringify(json));
  return folder;
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

/** Reads every weight of a source into a model of its configuration; all must match. */
export function fill(source: DescribedModel, model: Module, prefix = ""): void {
  loadWeights(source, { namedState: () => model.namedState(prefix) });
}

/** The pair of a source with its weights, in evaluation mode. */
export function pairOf(source: DescribedModel): DualEncoder {
  const model = createContents(source.contents);
  assert.ok(model instanceof DualEncoder);
  fill(source, model);
  return model.train(false);
}

/** The folder of the golden of a class of Hugging Face's. */
export function folderOf({ modelType }: HuggingFaceFamily): string {
  return modelType === "siglip2" ? "siglip2-naflex" : modelType;
}

/** The golden's weights under its own names. The caller closes the file. */
export function openGolden(model: string): WeightFile {
  return readSafetensors(goldenFile(model, "model.safetensors"));
}

/** The family's golden with its weights, in evaluation mode, and the rows that tie them to the file's names. */
export function loadGolden(
  family: HuggingFaceFamily,
  open: (model: string) => WeightFile = openGolden,
): { model: GoldenModel; contents: HuggingFaceModel["contents"]; rows: WeightRow[] } {
  const folder = folderOf(family);
  const file = goldenFile(folder, "config.json");
  const { contents } = family.fromConfig(file, readGoldenJson(folder, "config.json"));
  const table = family.table(contents);
  const model = createContents(contents);
  const state = namedState(contents.kind, model);
  using weights = open(folder);
  const source = { table, weights: () => weights };
  const rows = checkedRows(source, state);
  copyRows(source, rows, state);
  return { model: model.train(false), contents, rows };
}

/** Every weight by the name that tables use. */
export function namedState(
  kind: "pair" | "image" | "text",
  model: GoldenModel,
): [string, Tensor][] {
  return [...model.namedState(kind === "pair" ? "" : `${kind}Tower`)];
}

/** A model's weights under a table's names. */
export function named(table: KeyTable, model: Module): [string, Tensor][] {
  const state = new Map([...model.namedState()]);
  return splitRows(weightRows(table, state), state).map(([name, piece]) => [
    name,
    piece.contiguous(),
  ]);
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

function pixelsOf({ pixels, pixelShape = [] }: Expected): Tensor {
  return fromData(floats(pixels), pixelShape);
}

function tokensOf({ tokens = [] }: Expected): Tensor {
  return fromData(Int32Array.from(tokens.flat()), [tokens.length, tokens[0]?.length ?? 0]);
}

function encodeImages(model: GoldenModel, expected: Expected): Tensor {
  const input = pixelsOf(expected);
  const tower = model instanceof DualEncoder ? model.imageTower : model;
  if (expected.grids === undefined) return unitRows(tower.forward(input));
  assert.ok(tower instanceof NaflexVisionTransformer);
  const images: ImagePatches = { patches: input, grids: expected.grids };
  return unitRows(tower.forwardPatches(images));
}

function encodeTexts(model: GoldenModel, expected: Expected): Tensor {
  const tower = model instanceof DualEncoder ? model.textTower : model;
  return unitRows(tower.forward(tokensOf(expected)));
}

function assertLogits(
  pair: DualEncoder,
  images: Tensor,
  texts: Tensor,
  logits: string | undefined,
  atol: number,
): void {
  const scaled = images.matmul(texts.t()).mul(pair.logitScale());
  const found = pair.logitBias ? scaled.add(pair.logitBias.tensor) : scaled;
  assertClose(found.toFloat32Array(), floats(logits), { rtol: 1e-5, atol }, "logits");
}

/** Asserts that a model's towers, in evaluation mode, compute what the golden's library does. */
export function checkOutputs(model: GoldenModel, expected: Expected): void {
  const { imageEmbeddings, textEmbeddings, logits } = expected;
  scope(() =>
    noGrad(() => {
      const images = imageEmbeddings === undefined ? null : encodeImages(model, expected);
      const texts = textEmbeddings === undefined ? null : encodeTexts(model, expected);
      if (images) assertClose(images.toFloat32Array(), floats(imageEmbeddings), expected, "image");
      if (texts) assertClose(texts.toFloat32Array(), floats(textEmbeddings), expected, "text");
      if (!images || !texts || !(model instanceof DualEncoder)) return;
      // Up to 16 times the difference of two embeddings.
      assertLogits(model, images, texts, logits, 1e-5);
    }),
  );
}

/** Asserts that a pair, by its own encoders, computes what the golden's library does. */
export function assertPair(name: string, model: DualEncoder): void {
  const golden = readExpected(name);
  const close = { rtol: 1e-5, atol: 2e-6 };
  scope(() =>
    evaluating(model, "float32", () => {
      const images = model.encodeImages(pixelsOf(golden));
      const texts = model.encodeTexts(tokensOf(golden));
      assertClose(images.toFloat32Array(), floats(golden.imageEmbeddings), close, "image");
      assertClose(texts.toFloat32Array(), floats(golden.textEmbeddings), close, "text");
      assertLogits(model, images, texts, golden.logits, 1e-4);
    }),
  );
}

/** Asserts that an image tower computes the golden's features. */
export function assertTower(name: string, source: DescribedModel): void {
  const { contents } = source;
  if (contents.kind !== "image") return assert.fail("an image tower");
  const golden = readExpected(name);
  const tower = createImageTower(contents.config, contents.embedDim);
  fill(source, tower, "imageTower");
  scope(() =>
    noGrad(() => {
      const features = tower.features(pixelsOf(golden));
      const expected = floats(golden.imageFeatures);
      assertClose(features.toFloat32Array(), expected, { rtol: 1e-5, atol: 5e-6 }, "features");
    }),
  );
}
