/** The files that a Hugging Face image processor is stored in, and whose they are. */
import { isJsonObject, type JsonObject } from "../../files/json-fields.ts";

/** True for a `processor_config.json` that holds the image processor too; older ones only name a class. */
export function isWhole(json: JsonObject): boolean {
  return isJsonObject(json["image_processor"]);
}

/** The processor's own values and the path to them in the file. */
export function processorValues(json: JsonObject): { path: string; values: JsonObject } {
  const nested = json["image_processor"];
  return isJsonObject(nested)
    ? { path: "image_processor.", values: nested }
    : { path: "", values: json };
}

/**
 * A file with the class of its processor, as `AutoImageProcessor` finds it: `image_processor_type`, the
 * `feature_extractor_type` of older files, or `processor`, which the model's configuration names.
 */
export function named(json: JsonObject, processor: string | undefined): JsonObject {
  const { path, values } = processorValues(json);
  const name = values["image_processor_type"] ?? values["feature_extractor_type"] ?? processor;
  if (name === undefined) return json;
  const whole = { ...values, image_processor_type: name };
  return path === "" ? whole : { ...json, image_processor: whole };
}
