/**
 * Weights without what training puts around a module's names: `_orig_mod.` of torch.compile, `module.` of
 * DistributedDataParallel and averaged models, `_fsdp_wrapped_module.` of FSDP, `model.` of Lightning.
 * Knows no layout.
 */
import { CheckpointError } from "../../errors.ts";
import { respelled, spellings } from "./spelling.ts";
import type { Weights } from "./weight-file.ts";

/** Parts that no module has itself, wherever they stand in a name. */
const wrappers =
  /(^|\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)(?=\.)/g;
/** Attributes that hold a whole model, taken off where every name starts with one of them. */
const holders: readonly string[] = [
  "module",
  "model",
  "net",
  "clip",
  "clip_model",
  "ema_model",
  "state_dict",
];
/** Counters that torch's AveragedModel and exponential averages keep beside the names. */
const counters = /(^|\.)(n_averaged|num_updates|initted|decay)$/;
/** What a pair has itself and no part of it: what stands before it holds the whole model. */
const scale = /^(.+)\.(logit_scale|temperature)$/;
/** What peft puts into a model, and what packs its numbers. */
const inserted = /\.(base_layer|lora_(A|B|embedding_A|embedding_B|magnitude_vector))(\.|$)/;
const packed = /\.(qweight|qzeros|SCB|weight_format|weight\.(absmax|quant_map|quant_state\..*))$/;
/** Of one rank alone: the weights of many modules in one row. */
const flat = /(^|\.)_?flat_param(_\d+)?$/;

/**
 * `weights` under the names that the module itself has.
 *
 * throws  CheckpointError where two weights come to the same name, and for FSDP's flat rows, in which
 *         a rank holds its share of many weights
 */
export function unwrapped(weights: Weights): Weights {
  const share = weights.names.find((name) => flat.test(name));
  if (share !== undefined) throw ofOneRank(weights.file, share);
  refuseInserted(weights);
  const names = withoutHolders(
    spellings(weights, (name) => name.replace(wrappers, "").replace(/^\./, "")),
  );
  const isSame = [...names].every(([plain, name]) => plain === name);
  return isSame && names.size === weights.names.length ? weights : respelled(weights, names);
}

/** Takes a holder off as long as all names have the same one; counters beside it go with it. */
function withoutHolders(spelled: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const kept = [...spelled].filter(([plain]) => !counters.test(plain));
  const [first] = kept;
  const holder =
    holderOfScale(kept.map(([plain]) => plain)) ??
    holders.find((one) => first?.[0].startsWith(`${one}.`));
  if (holder === undefined) return spelled;
  const prefix = `${holder}.`;
  if (!kept.every(([plain]) => plain.startsWith(prefix))) return spelled;
  return withoutHolders(new Map(kept.map(([plain, name]) => [plain.slice(prefix.length), name])));
}

/** The one holder of a pair among other names, and the names that are not its own; undefined for none or several. */
export function pairAmongOthers(
  names: readonly string[],
): { holder: string; others: readonly string[] } | undefined {
  const holder = holderOfScale(names);
  if (holder === undefined) return undefined;
  return { holder, others: names.filter((name) => !name.startsWith(`${holder}.`)) };
}

/** `student`, where the only scale of logits is `student.logit_scale`. */
function holderOfScale(names: readonly string[]): string | undefined {
  const [holder, ...others] = names.flatMap((name) => scale.exec(name)?.[1] ?? []);
  return others.length === 0 ? holder : undefined;
}

/** The words that names start with, where each is the holder of a model: more than one cannot be read. */
export function modelsIn(weights: Weights): string[] {
  const words = new Set(weights.names.map((name) => name.split(".", 1)[0] as string));
  return [...words].filter((word) =>
    weights.names.some((name) => name.startsWith(`${word}.`) && name.split(".").length > 2),
  );
}

function refuseInserted({ file, names }: Weights): void {
  const change = names.find((name) => inserted.test(name));
  const quantized = names.find((name) => packed.test(name));
  const name = change ?? quantized;
  if (name === undefined) return;
  const [what, cure] =
    change === undefined
      ? ["quantized weights are not supported", "save the model without quantization"]
      : ["it is of an adapter inside the model", "join both in Python (peft, merge_and_unload)"];
  throw new CheckpointError(
    file,
    `Expected the weights of a model alone in ${file} but received ${name}; ${what}: ${cure}`,
  );
}

function ofOneRank(file: string, name: string): CheckpointError {
  return new CheckpointError(
    file,
    `Expected weights by the names of their modules in ${file} but received ${name}, the share that one ` +
      "rank of FSDP holds of many; save the model with StateDictType.FULL_STATE_DICT",
  );
}
