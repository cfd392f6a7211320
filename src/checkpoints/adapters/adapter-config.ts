/**
 * An adapter's folder as Hugging Face's peft has it. `adapter_config.json` says which projections a LoRA
 * changes, and by how much. Weights have the names of the layout that the model itself is saved in,
 * where q, k and v are separate.
 */
import { CheckpointError } from "../../errors.ts";
import {
  isJsonObject,
  JsonFields,
  type JsonObject,
  pythonFloat,
  pythonJson,
} from "../../files/json-fields.ts";
import { lowRankNames, stackedParts } from "../../nn/low-rank.ts";
import type { Tensor } from "../../torch/index.ts";
import type { DualEncoder } from "../../pair/dual-encoder.ts";
import { huggingFaceFamilies } from "../layouts/hugging-face/families.ts";
import { weightRows } from "../weights/key-table.ts";

/** One changed projection by its name in the base model, `text_model.encoder.layers.0.mlp.fc1`. */
export interface AdapterModule {
  readonly name: string;
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
}

interface AdapterConfigContents {
  modules: readonly AdapterModule[];
  /** Modules whose weights are saved whole. */
  wholeModules: readonly string[];
  /** The model that the adapter is for: a folder or a name on the hub. */
  base: string | null;
}

/** The text of an `adapter_config.json`. Modules of other ranks than the first are named as patterns. */
export function toAdapterConfig({ modules, wholeModules, base }: AdapterConfigContents): string {
  const { rank = 1, alpha = 1 } = modules[0] ?? {};
  const patterns = (of: (module: AdapterModule) => number | string | undefined): object =>
    Object.fromEntries(
      modules.flatMap((module) => {
        const value = of(module);
        return value === undefined ? [] : [[module.name.replaceAll(".", "\\."), value]];
      }),
    );
  return pythonJson({
    peft_type: "LORA",
    task_type: null,
    base_model_name_or_path: base,
    inference_mode: true,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: pythonFloat(Math.max(0, ...modules.map(({ dropout }) => dropout))),
    rank_pattern: patterns((module) => (module.rank === rank ? undefined : module.rank)),
    alpha_pattern: patterns((module) => (module.alpha === alpha ? undefined : module.alpha)),
    target_modules: modules.map(({ name }) => name),
    modules_to_save: wholeModules.length > 0 ? wholeModules : null,
    bias: "none",
    fan_in_fan_out: false,
    init_lora_weights: true,
    use_rslora: false,
    use_dora: false,
  });
}

/** Fields that say nothing about what is computed, or that are read below. */
const knownFields = new Set([
  ...["peft_type", "peft_version", "task_type", "auto_mapping", "revision", "inference_mode"],
  ...["base_model_name_or_path", "target_modules", "exclude_modules", "modules_to_save", "bias"],
  ...["layers_to_transform", "layers_pattern", "r", "lora_alpha", "lora_dropout", "rank_pattern"],
  ...["alpha_pattern", "use_rslora", "init_lora_weights", "eva_config", "loftq_config"],
  ...["megatron_core", "qalora_group_size", "ensure_weight_tying"],
]);

/** Ways to begin that leave the base model's own weights alone. */
const plainBeginnings = [true, false, "gaussian", "eva", "orthogonal"];

interface AdapterConfig {
  /** Rank, alpha and dropout of a module by its name in the base model. */
  of(name: string): AdapterModule;
}

/**
 * Reads a parsed `adapter_config.json`.
 *
 * throws  CheckpointError naming the file and the field: an adapter that is no LoRA, or one of a kind
 *         that computes something else (DoRA, a changed base model)
 */
export function fromAdapterConfig(file: string, json: JsonObject): AdapterConfig {
  const fields = new JsonFields(file, "", json);
  if (json["peft_type"] !== "LORA") fields.unsupported("peft_type", '"LORA"');
  for (const [key, value] of Object.entries(json)) {
    if (!knownFields.has(key) && !isEmpty(value))
      fields.unsupported(key, "no value, as limn knows none,");
  }
  if (!plainBeginnings.includes((fields.raw("init_lora_weights") ?? true) as never)) {
    fields.unsupported("init_lora_weights", "a beginning that leaves the base model as it is");
  }
  const rank = fields.integer("r", 8);
  const alpha = fields.number("lora_alpha", 8);
  const dropout = fields.number("lora_dropout", 0);
  const ranks = readPatterns(file, json, "rank_pattern");
  const alphas = readPatterns(file, json, "alpha_pattern");
  const squareRoot = fields.boolean("use_rslora", false);
  return {
    of(name) {
      const r = matching(ranks, name) ?? rank;
      const a = matching(alphas, name) ?? alpha;
      // rsLoRA divides by the square root of the rank (arXiv:2312.03732).
      return { name, rank: r, alpha: squareRoot ? a * Math.sqrt(r) : a, dropout };
    },
  };
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

type Patterns = readonly (readonly [RegExp, number])[];

function readPatterns(file: string, json: JsonObject, key: string): Patterns {
  const value = json[key] ?? {};
  const entries = isJsonObject(value) ? Object.entries(value) : [[key, value] as const];
  return entries.map(([pattern, number]) => {
    try {
      if (typeof number !== "number" || !(number > 0)) throw new TypeError("not a number above 0");
      // As peft: a pattern is the end of a name, from the start of one of its parts.
      return [new RegExp(`^(.*\\.)?(${pattern})$`), number];
    } catch (cause) {
      throw new CheckpointError(
        file,
        `Expected patterns of names with numbers above 0 for ${key} in ${file} but received ` +
          `${JSON.stringify({ [pattern]: number })}; correct the file`,
        { cause },
      );
    }
  });
}

function matching(patterns: Patterns, name: string): number | undefined {
  return patterns.find(([pattern]) => pattern.test(name))?.[1];
}

export const adapterConfigFile = "adapter_config.json";
export const adapterWeightsFile = "adapter_model.safetensors";
/** What peft puts before the names of the model that it wraps. */
export const adapterPrefix = "base_model.model.";

/** One weight of the layout: the whole of one of limn's, or a part of a stack. */
export interface WeightPart {
  weight: string;
  part: number | undefined;
  /** Of the stack. */
  count: number;
}

/** The weights of a model by the names of the layout that it is saved in. */
export function weightParts(model: DualEncoder): Map<string, WeightPart> {
  const { config } = model;
  const apart = lowRankNames(model);
  const own = [...model.namedState()].filter(([name]) => !apart.has(name));
  const family = huggingFaceFamilies.find((one) => one.toConfig && one.holds(config));
  const rows = family
    ? weightRows(family.table({ kind: "pair", config }), own).map(({ ours, parts }) => ({
        ours,
        theirs: parts.map(({ name }) => name),
      }))
    : own.map(([ours]) => ({ ours, theirs: ownNames(ours) }));
  return new Map(
    rows.flatMap(({ ours, theirs }) =>
      theirs.map((name, i) => {
        const count = theirs.length;
        return [name, { weight: ours, part: count === 1 ? undefined : i, count }] as const;
      }),
    ),
  );
}

/** In limn's own layout the parts of a stack have the names of their changes. */
function ownNames(name: string): string[] {
  const stack = /^(.*\battention\.input)\.(weight|bias)$/.exec(name);
  return stack ? stackedParts.map((part) => `${stack[1]}.${part}.${stack[2]}`) : [name];
}

/** The rows of a whole weight that are this part, as a view. */
export function partOf(tensor: Tensor, { part, count }: WeightPart): Tensor {
  if (part === undefined) return tensor;
  const rows = tensor.size(0) / count;
  return tensor.detach().narrow(0, part * rows, rows);
}
