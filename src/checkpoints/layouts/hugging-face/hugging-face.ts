/** A folder as transformers' `save_pretrained` writes it: `config.json`, weights, processor, tokenizer. */
import { join } from "node:path";
import type { EvaluationTransform } from "../../../data/image/evaluation-transform.ts";
import { CheckpointError, UnsettledError } from "../../../errors.ts";
import type { NaflexVisionTransformerConfig } from "../../../towers/image/naflex-vision-transformer.ts";
import { fromHuggingFacePreprocessor } from "../../preprocessing/hugging-face-preprocessor.ts";
import { isWhole, named } from "../../preprocessing/processor-file.ts";
import { JsonFields, type JsonObject } from "../../../files/json-fields.ts";
import {
  fromHuggingFaceNaflex,
  isNaflexPreprocessor,
  squareTransform,
} from "../../preprocessing/hugging-face-naflex.ts";
import { type DescribedModel, type GivenFacts, type Layout, settledBy } from "../../layout.ts";
import { towerTokenizer } from "../tower-tokenizer.ts";
import type { Place } from "../../place.ts";
import type { HuggingFaceFamily } from "./family.ts";
import { huggingFaceFamilies } from "./families.ts";

/** In transformers' own order of preference. */
const huggingFaceWeights = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
] as const;

export const huggingFace: Layout = {
  name: "Hugging Face",
  matches: (place) => {
    if (place.file !== undefined || !place.names.includes("config.json")) return false;
    // Beside open_clip's configuration and weights alone it may only tell how a page shows the model.
    const isOpenClip = place.names.includes("open_clip_config.json");
    if (isOpenClip && place.firstOf(huggingFaceWeights) === undefined) return false;
    const { model_type: type, architectures } = place.json("config.json");
    return type !== undefined || architectures !== undefined;
  },
  read: (place, given) => {
    const file = join(place.folder, "config.json");
    const json = place.json("config.json");
    const type = familyOf(file, json);
    const fields = new JsonFields(file, "", json);
    if (fields.raw("quantization_config") !== undefined) {
      fields.unsupported("quantization_config", "nothing");
    }
    const { family, contents, tokenizer } = type.fromConfig(file, json);
    return {
      place,
      layout: `${huggingFace.name} ${type.className}`,
      family,
      contents,
      table: type.table(contents),
      weights: () => place.weightsOf(huggingFaceWeights),
      ...preparation(place, contents, { given, processor: processorOf(json, type) }),
      tokenizer: () => towerTokenizer(place, { contents, rules: tokenizer }, given),
    };
  },
};

function familyOf(file: string, json: JsonObject): HuggingFaceFamily {
  const { model_type: type, architectures } = json;
  const classes: unknown[] = Array.isArray(architectures) ? architectures : [];
  const found = huggingFaceFamilies.find(({ modelType, className }) =>
    type === undefined ? classes.includes(className) : modelType === type,
  );
  const names = huggingFaceFamilies.map(({ modelType }) => modelType);
  if (found === undefined) {
    const pair = names.find((name) =>
      new RegExp(`^${name}_(text|vision)_model$`).test(String(type)),
    );
    throw new CheckpointError(
      file,
      `Expected one of ${names.join(", ")} for model_type in ${file} but received ` +
        `${JSON.stringify(type) ?? "nothing"}; ` +
        (pair === undefined
          ? "limn has no tower that computes it"
          : `it is one tower of a pair alone: give the whole model, of model_type ${pair}`),
    );
  }
  const head = classes.find(
    (name) => typeof name === "string" && /^(CLIP|Siglip2?|Align)For/.test(name),
  );
  if (head !== undefined)
    new JsonFields(file, "", json).unsupported("architectures", found.className);
  return found;
}

/** The class that `AutoImageProcessor` takes where the processor's file names none. */
function processorOf(json: JsonObject, { processor }: HuggingFaceFamily): string | undefined {
  const named = json["image_processor_type"];
  return typeof named === "string" ? named : processor;
}

/**
 * How pictures are prepared for contents that lie beside transformers' files.
 *
 * processor  the class of a file that names none
 */
export function preparation(
  place: Place,
  contents: DescribedModel["contents"],
  { given, processor }: { given: GivenFacts; processor?: string | undefined },
): Pick<DescribedModel, "evaluationTransform" | "naflexTransform"> {
  const { evaluationTransform } = given;
  const naflex = naflexTower(contents);
  if (evaluationTransform !== undefined) return { evaluationTransform: () => evaluationTransform };
  return {
    evaluationTransform: () => readSquares(place, naflex, processor),
    naflexTransform: () => {
      const found = naflex && readProcessor(place, processor);
      if (!found || !isNaflexPreprocessor(found.json)) return undefined;
      const transform = fromHuggingFaceNaflex(found.file, found.json);
      if (transform.patchSize === naflex.patchSize) return transform;
      throw new CheckpointError(
        found.file,
        `Expected ${naflex.patchSize}, the side of the tower's patches, for patch_size in ` +
          `${found.file} but received ${transform.patchSize}; use both files of one model`,
      );
    },
  };
}

function naflexTower(
  contents: DescribedModel["contents"],
): NaflexVisionTransformerConfig | undefined {
  if (contents.kind === "text") return undefined;
  const image = contents.kind === "pair" ? contents.config.image : contents.config;
  return image.kind === "naflex" ? image : undefined;
}

const processorFile = "preprocessor_config.json";
/** transformers 5 writes a whole processor into one file, which then counts. */
const wholeFile = "processor_config.json";

function readProcessor(
  place: Place,
  processor: string | undefined,
): { file: string; json: JsonObject } | undefined {
  const whole = place.firstOf([wholeFile]) !== undefined && isWhole(place.json(wholeFile));
  const name = whole ? wholeFile : place.firstOf([processorFile]);
  if (name === undefined) return undefined;
  return { file: join(place.folder, name), json: named(place.json(name), processor) };
}

/** A NaFlex tower's squares are as large as its table of positions, whatever its processor allows. */
function readSquares(
  place: Place,
  naflex: NaflexVisionTransformerConfig | undefined,
  processor: string | undefined,
): EvaluationTransform {
  const found = readProcessor(place, processor);
  if (found) {
    return naflex && isNaflexPreprocessor(found.json)
      ? squareTransform(fromHuggingFaceNaflex(found.file, found.json), naflex.imageSize)
      : fromHuggingFacePreprocessor(found.file, found.json);
  }
  throw new UnsettledError(
    join(place.folder, processorFile),
    "evaluationTransform",
    `Expected preprocessor_config.json in ${place.path} but there is none; copy it from where the ` +
      `model came from, or say how pictures are prepared with ${settledBy("evaluationTransform")}; ` +
      "another way gives wrong embeddings",
  );
}
