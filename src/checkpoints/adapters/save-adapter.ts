/**
 * Low-rank changes (LoRA) apart from the model they change, in the format of Hugging Face's peft:
 * `adapter_config.json` and `adapter_model.safetensors`.
 */
import { join } from "node:path";

import { adaptations } from "../../nn/low-rank.ts";
import { scope, type Tensor } from "../../torch/index.ts";
import {
  toAdapterConfig,
  type AdapterModule,
  adapterConfigFile,
  adapterPrefix,
  adapterWeightsFile,
  partOf,
  weightParts,
} from "./adapter-config.ts";
import { writeTextAtomically } from "../../files/atomic-write.ts";
import type { DualEncoder } from "../../pair/dual-encoder.ts";
import { writeModelFolder } from "../model-folder.ts";
import { writeSafetensors } from "../weights/safetensors.ts";

interface AdapterContents {
  /** What the adapter is for, as Python's peft looks for it: a folder or a name on the hub. */
  base?: string | undefined;
  /** Weights, by limn's names, that were trained whole beside the changes, such as a head's. */
  whole?: Iterable<string>;
}

/**
 * Writes the low-rank changes of a model, all of the folder or nothing.
 *
 * throws  RangeError for a model without changes; StorageError naming the folder where it cannot be
 *         written or holds what limn did not write
 */
export async function saveAdapter(
  folder: string,
  model: DualEncoder,
  { base, whole = [] }: AdapterContents = {},
): Promise<void> {
  const changes = adaptations(model);
  if (changes.length === 0) {
    throw new RangeError(
      "Expected a model with low-rank changes to save apart but received one without; save the model",
    );
  }
  const parts = weightParts(model);
  const names = new Map(
    [...parts].map(([theirs, { weight, part }]) => [`${weight} ${part}`, theirs]),
  );
  const state = new Map(model.namedState());
  const wholeNames = new Set(whole);
  const wholeParts = [...parts].filter(([, { weight }]) => wholeNames.has(weight));
  const modules: AdapterModule[] = [];
  await writeModelFolder(folder, (partial) => {
    scope(() => {
      const entries: [string, Tensor][] = changes.flatMap(({ weight, part, change }) => {
        const name = (names.get(`${weight} ${part}`) as string).replace(/\.weight$/, "");
        const { rank, alpha, dropout } = change;
        modules.push({ name, rank, alpha, dropout });
        return [
          [`${adapterPrefix}${name}.lora_A.weight`, change.a.tensor],
          [`${adapterPrefix}${name}.lora_B.weight`, change.b.tensor],
        ];
      });
      for (const [theirs, place] of wholeParts) {
        entries.push([adapterPrefix + theirs, partOf(state.get(place.weight) as Tensor, place)]);
      }
      writeSafetensors(join(partial, adapterWeightsFile), entries);
    });
    const wholeModules = wholeParts.flatMap(
      ([theirs]) => /^(.+)\.(?:weight|bias)$/.exec(theirs)?.[1] ?? [],
    );
    const contents = { modules, wholeModules: [...new Set(wholeModules)], base: base ?? null };
    writeTextAtomically(join(partial, adapterConfigFile), toAdapterConfig(contents));
  });
}
