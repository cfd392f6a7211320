/**
 * `config.json` of a pair that no other library's layout holds: limn's own configuration as it is,
 * and weights under limn's own names.
 */
import { CheckpointError } from "../errors.ts";
import type { DualEncoderConfig } from "./dual-encoder.ts";
import type { ClipConfig } from "./configs.ts";
import { isJsonObject, JsonFields, type JsonObject } from "./json-fields.ts";

export const limnModelType = "limn-dual-encoder";
/** Of a folder that holds one tower. */
export const towerModelType = "limn-tower";

/** True where Hugging Face's `CLIPModel` computes the same: then its layout is the one written. */
export function isClipConfig(config: DualEncoderConfig): config is ClipConfig {
  const { image, text, imageProjection = true, textProjection = true } = config;
  if (!imageProjection || !textProjection) return false;
  if (config.logitBiasInit !== undefined || config.logitScaleAs === "temperature") return false;
  return isClipImage(image) && isClipText(text);
}

function isClipImage(image: DualEncoderConfig["image"]): boolean {
  if (image.kind !== "vit") return false;
  const { classToken = true, pooling = "class", normBefore = true, patchBias = false } = image;
  return classToken && pooling === "class" && normBefore && !patchBias && !image.projectionBias;
}

function isClipText(text: DualEncoderConfig["text"]): boolean {
  if (text.kind !== "transformer") return false;
  const { attention = "causal", pooling = "eot" } = text;
  return attention === "causal" && pooling === "eot" && !text.projectionBias;
}

/** The text of a `config.json` in limn's layout. */
export function toLimnConfig(config: DualEncoderConfig): string {
  return `${JSON.stringify({ model_type: limnModelType, version: 1, ...config }, null, 2)}\n`;
}

/**
 * limn's configuration from a parsed `config.json`; sizes are checked where the towers are made.
 *
 * throws  CheckpointError naming the file and the field
 */
export function fromLimnConfig(file: string, json: JsonObject): DualEncoderConfig {
  const { model_type: _, version, ...config } = json;
  if (version !== 1) {
    throw new CheckpointError(
      file,
      `Expected 1 for version in ${file} but received ${JSON.stringify(version) ?? "nothing"}; ` +
        "use the limn that wrote it, or a newer one",
    );
  }
  const fields = new JsonFields(file, "", json);
  fields.integer("embedDim", Number.NaN);
  fields.number("logitScaleLogInit", Number.NaN);
  for (const name of ["image", "text"]) {
    const tower = json[name];
    if (!isJsonObject(tower) || typeof tower["kind"] !== "string") fields.fail(name, "a tower");
  }
  return config as unknown as DualEncoderConfig;
}
