import { unsupported, type StepConfig } from "./step-config.ts";

/** The ids that stand around those of every text. */
export interface Template {
  inFront: readonly number[];
  behind: readonly number[];
}

/** The post-processor of a tokenizer.json, as far as it concerns the ids of one text. */
export function compileTemplate(config: StepConfig | null | undefined): Template {
  if (config === null || config === undefined) return { inFront: [], behind: [] };
  switch (config.type) {
    case "TemplateProcessing":
      return fromTemplate(config);
    case "BertProcessing":
    case "RobertaProcessing":
      return { inFront: [idOfPair(config, "cls")], behind: [idOfPair(config, "sep")] };
    case "ByteLevel":
      return { inFront: [], behind: [] };
    case "Sequence": {
      const steps = config["processors"];
      const templates = (Array.isArray(steps) ? (steps as StepConfig[]) : []).map(compileTemplate);
      return {
        inFront: templates.toReversed().flatMap(({ inFront }) => inFront),
        behind: templates.flatMap(({ behind }) => behind),
      };
    }
    default:
      return unsupported("post-processor", config.type);
  }
}

interface TemplateItem {
  SpecialToken?: { id: string };
  Sequence?: object;
}

function fromTemplate(config: StepConfig): Template {
  const items = config["single"];
  const named = config["special_tokens"] as Record<string, { ids?: unknown } | undefined> | null;
  if (!Array.isArray(items)) throw new TypeError("a template without a row of one text");
  const inFront: number[] = [];
  const behind: number[] = [];
  let side = inFront;
  for (const item of items as TemplateItem[]) {
    if (item.Sequence !== undefined) {
      if (side === behind) throw new TypeError("a template with a text in two places");
      side = behind;
      continue;
    }
    const ids = named?.[item.SpecialToken?.id ?? ""]?.ids;
    if (!Array.isArray(ids)) throw new TypeError("a template with a token of unknown id");
    side.push(...ids.map(checkId));
  }
  if (side === inFront) throw new TypeError("a template without the text");
  return { inFront, behind };
}

function idOfPair(config: StepConfig, key: string): number {
  const pair = config[key];
  return checkId(Array.isArray(pair) ? pair[1] : undefined);
}

/** The greatest id that rows of 32-bit integers can hold. */
const greatestId = 2 ** 31 - 1;

/** An id as a file has it; throws a TypeError for what is none. */
export function checkId(id: unknown): number {
  if (Number.isSafeInteger(id) && Number(id) >= 0 && Number(id) <= greatestId) return Number(id);
  throw new TypeError(`the id ${JSON.stringify(id ?? null).slice(0, 40)}`);
}
