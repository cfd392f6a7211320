/** Evaluates a model folder on suites: what `limn eval` runs. */
import { loadModel, type LoadModelOptions } from "../inference/load-model.ts";
import type { Precision } from "../inference/encoder.ts";
import type { Device } from "../torch/index.ts";
import type { BootstrapOptions } from "../arrays/bootstrap.ts";
import { modelEmbedder } from "../inference/features/model-embedder.ts";
import { checkSuite } from "./check-suite.ts";
import { runSuite, type Suite, type SuiteResult } from "./run-suite.ts";

export interface EvaluateOptions {
  /** What `loadModel` takes: `hf://organisation/name`, or a path in any layout. */
  model: string;
  /** What its files do not say, and how it is fetched. */
  load?: Omit<LoadModelOptions, "device" | "precision" | "prepare">;
  suites: readonly Suite[];
  /** Pictures per forward pass. Default 64. */
  batchSize?: number;
  device?: Device;
  /** What the model computes in. Default `float32`. */
  precision?: Precision;
  /** A picture of more pixels cannot be read, told from its header. Default: 178,956,970. */
  maxPixels?: number;
  bootstrap?: BootstrapOptions;
  /**
   * Folder that keeps embeddings from one call to the next, told apart by weights, preprocessing and set.
   * Default: none are kept.
   */
  cache?: string;
  /** Called before each suite with its title. */
  onSuite?: (title: string) => void;
}

/**
 * Embeds every suite's set once and measures its tasks, on all the cores that the process may use.
 *
 * throws  CheckpointError for a model folder that does not fit; DataError for a sample that cannot be
 *         read or answered
 */
export async function evaluate(options: EvaluateOptions): Promise<SuiteResult[]> {
  const { suites, batchSize = 64, device = "cpu", precision = "float32" } = options;
  // Labels that are none of the classes are found before anything is embedded.
  for (const suite of suites) await checkSuite(suite);
  const identify = options.cache !== undefined;
  const loaded = await loadModel(options.model, { ...options.load, device, precision, identify });
  try {
    const { encoder, tokenizer } = loaded;
    const embedder = modelEmbedder(loaded, options.cache);
    const loader = {
      transform: encoder.transform,
      tokenizer: tokenizer.description,
      batchSize,
      ...(options.maxPixels !== undefined && { maxPixels: options.maxPixels }),
    };
    const results: SuiteResult[] = [];
    for (const suite of suites) {
      options.onSuite?.(suite.title ?? suite.name);
      results.push(await runSuite(suite, embedder, { loader, bootstrap: options.bootstrap ?? {} }));
    }
    return results;
  } finally {
    loaded.dispose();
  }
}
