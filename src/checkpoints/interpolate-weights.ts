/**
 * WiSE-FT: a model between its original weights and its fine-tuned ones. Works on folders, one weight
 * at a time.
 */
import { chmodSync, copyFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

import { CheckpointError } from "../errors.ts";
import { isFloating, noGrad, scope, type DType, type Tensor } from "../torch/index.ts";
import { checkApart, existingFolder } from "../files/atomic-folder.ts";
import { writeFileAtomically } from "../files/atomic-write.ts";
import { isOwnName } from "../files/folder-record.ts";
import { pairConfigOf } from "./checkpoint.ts";
import { localModel } from "./local-model.ts";
import type { ModelSource } from "./layout.ts";
import { checkModelTarget, writeModelFolder } from "./model-folder.ts";
import { openModelAt } from "./open-model.ts";
import { openPlace } from "./place.ts";
import { inType } from "./weights/check-weights.ts";
import { buildHeader } from "./weights/safetensors-header.ts";
import type { Weights } from "./weights/weight-file.ts";

/**
 * Writes the model folder `out`, all of it or nothing, with the weights
 *
 *     (1 - alpha) zeroShot + alpha fineTuned        Wortsman et al., arXiv:2109.01903, eq. 1
 *
 * for every floating-point number: weights, running statistics, logit scale and bias. Computed in
 * float32 (float64 where stored so) and stored in the type of `fineTuned`, whose other files `out` gets.
 *
 * zeroShot, fineTuned  models of one layout and of the same sizes, of the hub or folders
 * alpha                from 0, the original weights, to 1
 * throws               RangeError for alpha; CheckpointError that names the folder and every weight or
 *                      size that differs; StorageError for an `out` that is one of the two, or holds
 *                      what limn did not write
 */
export async function interpolateWeights(
  zeroShot: string,
  fineTuned: string,
  { alpha, out }: { alpha: number; out: string },
): Promise<void> {
  if (!(alpha >= 0 && alpha <= 1)) {
    throw new RangeError(`Expected a number from 0 to 1 for alpha but received ${alpha}`);
  }
  const [original, tuned] = await Promise.all([localModel(zeroShot), localModel(fineTuned)]);
  for (const path of [original, tuned]) checkFolder(path);
  checkApart(out, [original, tuned]);
  await checkModelTarget(out);
  const opened: ModelSource[] = [];
  try {
    for (const path of [original, tuned]) opened.push(openModelAt(path));
    const [first, second] = opened as [ModelSource, ModelSource];
    checkConfigs(first, second);
    checkFiles(first.weights(), second.weights());
    // Copied with the others, and so looked at.
    second.templates();
    const source = existingFolder(tuned);
    await writeModelFolder(out, (partial) => {
      copyOtherFiles(source, partial);
      writeBetween(join(partial, weightsFile), alpha, first.weights(), second.weights());
    });
  } finally {
    for (const model of opened) model.close();
  }
}

const weightsFile = "model.safetensors";

/** Throws CheckpointError for a file, whose tokenizer and preprocessing `out` could not get. */
function checkFolder(path: string): void {
  const { file } = openPlace(path);
  if (file === undefined) return;
  throw new CheckpointError(
    path,
    `Expected a model folder for ${path} but received a file; make a folder of it with limn convert`,
  );
}

/** All of a model's files but weights and their indexes, and but what a checkpoint keeps for its run. */
function copyOtherFiles(from: string, to: string): void {
  for (const name of readdirSync(from)) {
    const isWeights = /\.(safetensors|bin|pth?|npz)$|\.index\.json$/.test(name);
    // Through links, as the hub's cache has them.
    if (isWeights || isOwnName(name) || !statSync(join(from, name)).isFile()) continue;
    copyFileSync(join(from, name), join(to, name));
    // The copy of a protected file is not one.
    chmodSync(join(to, name), statSync(join(to, name)).mode | 0o200);
  }
}

function writeBetween(file: string, alpha: number, first: Weights, second: Weights): void {
  const items = second.names.map((name) => {
    const { dtype, shape } = second.info(name);
    return { name, dtype: dtype as DType, shape };
  });
  const { bytes, order } = buildHeader(items, { format: "pt", ...second.metadata });
  writeFileAtomically(file, (write) => {
    write(bytes);
    for (const { name } of order) {
      const { buffer, byteOffset, byteLength } = scope(() =>
        between([first.tensor(name), second.tensor(name)], alpha, second.file, name).data(),
      );
      write(new Uint8Array(buffer, byteOffset, byteLength));
    }
  });
}

/** Numbers that are not floating-point, such as positions, are the same on both sides. */
function between(
  [a, b]: readonly [Tensor, Tensor],
  alpha: number,
  file: string,
  name: string,
): Tensor {
  const { dtype } = b;
  if (!isFloating(dtype)) return b;
  const wide = dtype === "float64" || a.dtype === "float64" ? "float64" : "float32";
  return noGrad(() => {
    const mixed = a
      .to(wide)
      .mul(1 - alpha)
      .add(b.to(wide).mul(alpha));
    return inType(file, name, mixed, dtype);
  });
}

function checkFiles(first: Weights, second: Weights): void {
  const problems = [
    ...first.names.filter((name) => !second.has(name)).map((name) => `${name} only there`),
    ...second.names.filter((name) => !first.has(name)).map((name) => `${name} only here`),
  ];
  for (const name of second.names) {
    if (!first.has(name)) continue;
    const [a, b] = [first.info(name), second.info(name)];
    if (a.shape.join() !== b.shape.join()) {
      problems.push(`${name} is [${a.shape.join(", ")}] there, [${b.shape.join(", ")}] here`);
    } else if (a.dtype === undefined || b.dtype === undefined) {
      problems.push(`${name} is ${a.storedAs} there, ${b.storedAs} here`);
    } else if (!isFloating(a.dtype) || !isFloating(b.dtype)) {
      if (!sameIntegers(name, first, second)) problems.push(`${name} has other whole numbers`);
    }
  }
  if (problems.length === 0) return;
  throw new CheckpointError(
    second.file,
    `Expected the weights of ${first.file}, fine-tuned, in ${second.file} but received others; give ` +
      `two folders of one model and one layout.\n  ${problems.join("\n  ")}`,
  );
}

function sameIntegers(name: string, first: Weights, second: Weights): boolean {
  if (first.info(name).dtype !== second.info(name).dtype) return false;
  return scope(() => {
    const [a, b] = [first.tensor(name).data(), second.tensor(name).data()];
    return a.every((value, i) => value === b[i]);
  });
}

/** Act in training only, or say how weights once began. */
const freeKeys = ["patchDropout", "stochasticDepth", "dropConnect", "initialization"];

/** Equal weights of models that compute with them in another way have nothing in between. */
function checkConfigs(zeroShot: ModelSource, fineTuned: ModelSource): void {
  const [a, b] = [zeroShot, fineTuned].map((model) => {
    const { image, text } = pairConfigOf(model);
    const sides = Object.entries({ image, text });
    return new Map(
      sides.flatMap(([side, tower]) =>
        Object.entries(tower)
          .filter(([key]) => !freeKeys.includes(key))
          .map(([key, value]) => [`${side}.${key}`, JSON.stringify(value)] as const),
      ),
    );
  }) as [Map<string, string>, Map<string, string>];
  const differing = [...new Set([...a.keys(), ...b.keys()])]
    .filter((key) => a.get(key) !== b.get(key))
    .map((key) => `${key} ${a.get(key) ?? "none"} there, ${b.get(key) ?? "none"} here`);
  if (differing.length === 0) return;
  throw new CheckpointError(
    fineTuned.place.path,
    `Expected the model of ${zeroShot.place.path}, fine-tuned, in ${fineTuned.place.path} but received another: ` +
      `${differing.join("; ")}; give two folders of one model`,
  );
}
