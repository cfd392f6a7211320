/** One `model_type` of Hugging Face's layout: its configuration both ways and the names of its weights. */
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import type { JsonObject } from "../../../files/json-fields.ts";
import type { DType } from "../../../torch/dtype.ts";
import type { KeyTable } from "../../weights/key-table.ts";
import type { TokenizerRules } from "../tower-tokenizer.ts";
import type { Family, ImageTowerContents, PairContents, TextTowerContents } from "../../layout.ts";

export interface HuggingFaceFamily {
  /** `model_type` of `config.json`. */
  readonly modelType: string;
  /** The class of transformers, `CLIPModel`. */
  readonly className: string;
  /** The class of transformers that prepares its pictures; absent where it takes none. */
  readonly processor?: string;
  /**
   * What a parsed `config.json` describes, defaults of transformers filled in.
   *
   * throws  CheckpointError naming the file and the field
   */
  fromConfig(file: string, json: JsonObject): HuggingFaceModel;
  /** True where transformers' class computes the same; only then `toConfig` and `table` make sense. */
  holds(config: DualEncoderConfig): boolean;
  /**
   * The text of a `config.json` that transformers reads back as the same model; absent: not written.
   *
   * dtype  of the weights beside it, which transformers 5 loads them in. Default float32
   */
  toConfig?(config: DualEncoderConfig, dtype?: DType): string;
  /** `contents` of `fromConfig`, or a pair that `holds`. */
  table(contents: HuggingFaceModel["contents"]): KeyTable;
}

export interface HuggingFaceModel {
  /** Its name for people, `SigLIP 2`. */
  readonly family: Family;
  /** Absent where there is no text tower. */
  readonly tokenizer?: TokenizerRules;
  readonly contents: PairContents | ImageTowerContents | TextTowerContents;
}
