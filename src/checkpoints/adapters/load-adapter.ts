/** Reads low-rank changes that stand apart from their model, written by limn or by Python's peft. */
import { existsSync } from "node:fs";
import { join } from "node:path";

import { CheckpointError, didYouMean } from "../../errors.ts";
import {
  adaptable,
  attachLowRank,
  LowRank,
  mergeLowRank,
  stackedParts,
  type MatrixPlace,
} from "../../nn/low-rank.ts";
import {
  isFloating,
  noGrad,
  randomState,
  scope,
  setRandomState,
  type Tensor,
} from "../../torch/index.ts";
import {
  fromAdapterConfig,
  adapterConfigFile,
  adapterPrefix,
  adapterWeightsFile,
  partOf,
  weightParts,
  type WeightPart,
} from "./adapter-config.ts";
import { existingFolder } from "../../files/atomic-folder.ts";
import type { DualEncoder } from "../../pair/dual-encoder.ts";
import { readJsonObject } from "../../files/json-fields.ts";
import { readSafetensors, type SafetensorsFile } from "../weights/safetensors.ts";

interface LoadAdapterOptions {
  /** True adds the changes to the weights; false keeps them beside the weights, to be trained on. */
  merge: boolean;
}

/**
 * Puts the adapter of a folder, which limn or Python's peft wrote, into the model that it was made
 * for. Nothing changes unless all of it fits.
 *
 * throws  CheckpointError naming the file: another kind of adapter, projections and weights that the
 *         model does not have, changes of projections that have one already
 */
export function loadAdapter(
  folder: string,
  model: DualEncoder,
  { merge }: LoadAdapterOptions,
): void {
  const found = existingFolder(folder);
  const file = join(found, adapterConfigFile);
  const config = fromAdapterConfig(file, readJsonObject(file));
  const weights = openAdapter(found);
  try {
    const { changes, whole } = plan(weights, model);
    scope(() => {
      const loaded = changes.map(({ name, a, b }) => {
        const { rank, alpha, dropout } = config.of(name);
        const [tensorA, tensorB] = [weights.tensor(a), weights.tensor(b)];
        if (tensorA.size(0) === rank && tensorB.size(1) === rank) {
          return { rank, alpha, dropout, a: tensorA, b: tensorB };
        }
        throw new CheckpointError(
          weights.file,
          `Expected rank ${rank}, as ${adapterConfigFile} says, for ${name} in ${weights.file} but received ` +
            `${tensorA.size(0)}; use both files of one adapter`,
        );
      });
      withoutRandomness(() =>
        attachLowRank(
          changes.map(({ place }) => place),
          (size, i) => changeOf(size, loaded[i] as Loaded),
        ),
      );
      const state = new Map(model.namedState());
      for (const [key, place] of whole) {
        const target = partOf(state.get(place.weight) as Tensor, place);
        noGrad(() => target.detach().copy_(weights.tensor(key)));
      }
    });
  } finally {
    weights.close();
  }
  if (merge) mergeLowRank(model);
}

interface Loaded {
  rank: number;
  alpha: number;
  dropout: number;
  a: Tensor;
  b: Tensor;
}

function changeOf(
  { inputs, outputs }: { inputs: number; outputs: number },
  { a, b, ...options }: Loaded,
): LowRank {
  const change = new LowRank(inputs, outputs, options);
  change.a.assign(a);
  change.b.assign(b);
  return change;
}

/** Runs `body`, whose initial values are replaced, and leaves the default generator as it was. */
function withoutRandomness(body: () => void): void {
  const state = randomState();
  try {
    body();
  } finally {
    setRandomState(state);
    state.dispose();
  }
}

function openAdapter(folder: string): SafetensorsFile {
  const file = join(folder, adapterWeightsFile);
  if (!existsSync(file) && existsSync(join(folder, "adapter_model.bin"))) {
    throw new CheckpointError(
      file,
      `Expected ${adapterWeightsFile} in ${folder} but received adapter_model.bin; save the adapter as ` +
        "safetensors first",
    );
  }
  return readSafetensors(file);
}

interface Plan {
  changes: { name: string; a: string; b: string; place: MatrixPlace }[];
  /** Weights to be replaced, by the file's names. */
  whole: [string, WeightPart][];
}

/** What each tensor of the file is for. Throws one CheckpointError with all that does not fit. */
function plan(weights: SafetensorsFile, model: DualEncoder): Plan {
  const parts = weightParts(model);
  const modules = new Map(model.namedModules());
  const state = new Map(model.namedState());
  const problems: string[] = [];
  const found: Plan = { changes: [], whole: [] };
  for (const key of weights.names) {
    const lora = /^(.+)\.lora_([AB])\.weight$/.exec(key);
    if (lora?.[2] === "B") {
      if (!weights.has(`${lora[1]}.lora_A.weight`)) problems.push(`${key} without its lora_A`);
      continue;
    }
    // peft wraps a projection whose bias it trains.
    const theirs = (lora ? `${lora[1]}.weight` : key).replace(".base_layer.", ".");
    const part = theirs.startsWith(adapterPrefix)
      ? parts.get(theirs.slice(adapterPrefix.length))
      : undefined;
    if (part === undefined) {
      problems.push(`${key}, which the model does not have.${nearest(theirs, parts)}`);
    } else if (lora) {
      planChange(key, part, { found, problems, modules, weights });
    } else {
      const { shape } = partOf(state.get(part.weight) as Tensor, part);
      const info = weights.info(key);
      if (info.shape.join() !== shape.join() || !info.dtype || !isFloating(info.dtype)) {
        problems.push(
          `${key} is ${info.storedAs} [${info.shape.join(", ")}], not [${shape.join(", ")}]`,
        );
      }
      found.whole.push([key, part]);
    }
  }
  if (found.changes.length === 0) problems.push("no lora_A and lora_B");
  if (problems.length === 0) return found;
  throw new CheckpointError(
    weights.file,
    `Expected an adapter of this model in ${weights.file} but received another; load it into the ` +
      `model that it was made for, and nothing was changed.\n  ${problems.join("\n  ")}`,
  );
}

interface Planning {
  found: Plan;
  problems: string[];
  modules: ReadonlyMap<string, MatrixPlace["owner"]>;
  weights: SafetensorsFile;
}

function planChange(
  a: string,
  { weight, part }: WeightPart,
  { found, problems, modules, weights }: Planning,
): void {
  const b = a.replace(/lora_A\.weight$/, "lora_B.weight");
  const owner = modules.get(weight.replace(/\.weight$/, ""));
  const state = adaptable(owner, part);
  if (owner === undefined || state === "never")
    return void problems.push(`${a}, which cannot be changed`);
  if (state === "taken") return void problems.push(`${a}, which is changed already`);
  if (!weights.has(b)) return void problems.push(`${a} without its lora_B`);
  const [inA, inB] = [weights.info(a), weights.info(b)];
  const { shape } = (owner as unknown as { weight: { tensor: Tensor } }).weight.tensor;
  const outputs = (shape[0] ?? 0) / (part === undefined ? 1 : stackedParts.length);
  const fits =
    inA.shape[1] === shape[1] && inB.shape[0] === outputs && inA.shape[0] === inB.shape[1];
  if (!fits || inA.shape.length !== 2 || inB.shape.length !== 2) {
    const shown = `[${inA.shape.join(", ")}] and [${inB.shape.join(", ")}]`;
    problems.push(`${a} and lora_B are ${shown}, not [r, ${shape[1]}] and [${outputs}, r]`);
  }
  const name = a.slice(adapterPrefix.length, -".lora_A.weight".length);
  found.changes.push({ name, a, b, place: { owner, part } });
}

function nearest(theirs: string, parts: ReadonlyMap<string, WeightPart>): string {
  return didYouMean(theirs.replace(adapterPrefix, ""), parts.keys());
}
