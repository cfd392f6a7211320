/** What every command that loads a model may be told of it, and of fetching it, on the command line. */

import {
  parseEvaluationTransform,
  transformOfPreset,
  type EvaluationTransform,
} from "../../data/image/evaluation-transform.ts";
import { counted, UsageError } from "../../errors.ts";
import { readJsonFile, readingReason } from "../../files/regular-file.ts";
import type { HubFetchOptions } from "../../checkpoints/local-model.ts";
import type { GivenFacts } from "../../checkpoints/layout.ts";
import { activationNames } from "../../nn/activation.ts";
import type { OptionValues } from "../command.ts";
import type { FetchProgress } from "../../hub/progress.ts";
import { progressLine } from "../print/progress-line.ts";
import { checkPrecision, precisions, type Precision } from "../../nn/precision.ts";
import { resolveDevice, type Device } from "../../torch/index.ts";

/** Tokens, proxies, mirrors and the cache folder have their usual environment variables. */
export const hubOptions = {
  offline: { type: "boolean", help: "fetch nothing: models of the hub come from the cache" },
} as const;

/** Needed only where a model's files leave it open; messages name the one that settles it. */
export const modelOptions = {
  architecture: {
    type: "string",
    value: "<name>",
    help: "published name, such as ViT-B-32-quickgelu, of weights without a configuration",
  },
  activation: { type: "string", choices: activationNames, help: "of weights that do not say it" },
  tokenizer: { type: "string", value: "<path>", help: "a tokenizer's folder or file" },
  preprocessing: {
    type: "string",
    value: "<preset:size>",
    help: "how pictures are prepared, clip:224 or siglip:256; or a JSON file, as limn info --json prints",
  },
  "context-length": { type: "integer", least: 1, value: "<n>", help: "tokens per text" },
  ...hubOptions,
} as const;

type Given = OptionValues<typeof modelOptions>;

/** The options as `loadModel` takes them. Throws as `givenFacts`. */
export function loadOptions(
  options: Given,
  note: (text: string) => void,
): GivenFacts & { hub: HubFetchOptions } {
  return { ...givenFacts(options), hub: hubFetching(options, note) };
}

/** The options as facts. Throws UsageError or RecipeError for what is no preprocessing. */
function givenFacts(options: Given): GivenFacts {
  const { architecture, activation, tokenizer, preprocessing } = options;
  const contextLength = options["context-length"];
  return {
    ...(architecture === undefined ? {} : { architecture }),
    ...(activation === undefined ? {} : { activation }),
    ...(tokenizer === undefined ? {} : { tokenizer }),
    ...(contextLength === undefined ? {} : { contextLength }),
    ...(preprocessing === undefined ? {} : { evaluationTransform: readTransform(preprocessing) }),
  };
}

function readTransform(file: string): EvaluationTransform {
  const preset = transformOfPreset(file);
  if (preset !== undefined) return preset;
  let json: unknown;
  try {
    json = readJsonFile(file);
  } catch (cause) {
    const reason = readingReason(cause);
    throw new UsageError(
      `Expected a JSON file for --preprocessing but received ${file} (${reason}); write clip:224 for a preset.`,
      { cause },
    );
  }
  const whole = json as { evaluationTransform?: unknown };
  return parseEvaluationTransform(whole.evaluationTransform ?? json, "--preprocessing");
}

/** Progress and warnings go to standard error. */
export function hubFetching(
  { offline }: OptionValues<typeof hubOptions>,
  note: (text: string) => void,
  stream: Pick<NodeJS.WriteStream, "write" | "isTTY"> = process.stderr,
): HubFetchOptions {
  const line = progressLine(stream, describe);
  return {
    ...(offline ? { offline } : {}),
    onWarning: note,
    onProgress: (progress) => {
      line.show(progress);
      if (progress.filesDone === progress.files) line.end();
    },
  };
}

function describe({ files, filesDone, allReceived, allTotal }: FetchProgress): string {
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  return `fetching ${megabytes(allReceived)} of ${megabytes(allTotal)} MB, ${filesDone} of ${counted(files, "file")}`;
}

/** Where and in what a model computes. */
export const useOptions = {
  device: { type: "string", value: "<name>", help: "default auto: the first GPU, else the CPU" },
  precision: {
    type: "string",
    choices: precisions,
    help: "default float32; limn info --measure compares",
  },
} as const;

/**
 * The device and the precision that the options ask for, as `loadModel` takes them. Another precision
 * than float32 is noted. Throws UsageError for what is not there.
 */
export function chosenUse(
  options: { device?: string | undefined; precision?: Precision | undefined },
  note: (text: string) => void,
): { device: Device; precision: Precision } {
  const { precision = "float32" } = options;
  const device = chosenDevice(options);
  asUsage(() => checkPrecision(precision, device, "--precision"));
  if (precision !== "float32") note(`Computing in ${precision}`);
  return { device, precision };
}

/** The device that `--device` asks for. Throws UsageError for one that is not there. */
export function chosenDevice({ device = "auto" }: { device?: string | undefined }): Device {
  return asUsage(() => resolveDevice(device, "--device"));
}

function asUsage<T>(body: () => T): T {
  try {
    return body();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UsageError(cause.message, { cause });
  }
}
