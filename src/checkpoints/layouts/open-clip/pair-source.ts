/** What open_clip's and OpenAI's layouts have in common once the configuration is known. */
import type { EvaluationTransform } from "../../../data/image/evaluation-transform.ts";
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import type { KeyTable } from "../../weights/key-table.ts";
import type { Weights } from "../../weights/weight-file.ts";
import { siglipFamily } from "../gemma-vocabulary.ts";
import type { DescribedModel, Family, GivenFacts } from "../../layout.ts";
import type { Place } from "../../place.ts";
import { openTokenizer, type OpenClipTokenizer } from "./tokenizer.ts";

export interface PairFacts {
  place: Place;
  given: GivenFacts;
  layout: string;
  config: DualEncoderConfig;
  table: KeyTable;
  wanted: OpenClipTokenizer;
  weights: () => Weights;
  /** Where `given` does not say it. */
  transform: () => EvaluationTransform;
}

export function pairSource(facts: PairFacts): DescribedModel {
  const { place, given, layout, config, table, wanted, weights, transform } = facts;
  return {
    place,
    layout,
    family: familyOf(config),
    contents: { kind: "pair", config },
    table,
    weights,
    evaluationTransform: () => given.evaluationTransform ?? transform(),
    tokenizer: () => openTokenizer(place, given, { text: config.text, wanted }),
  };
}

function familyOf({ text, logitBiasInit }: DualEncoderConfig): Family {
  const siglip =
    logitBiasInit !== undefined && text.kind === "transformer" && text.pooling === "last";
  return siglip ? siglipFamily(text) : "CLIP";
}
