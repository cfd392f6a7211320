/** `model_cfg` of open_clip as limn's configuration and the names that its weights have. */
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import type { JsonObject } from "../../../files/json-fields.ts";
import { StrictFields } from "../strict-fields.ts";
import { timmVit, type TimmVits } from "../timm/names.ts";
import { readImage, readText } from "./tower-configs.ts";
import type { OpenClipNames } from "./keys.ts";

export interface OpenClipModel {
  readonly config: DualEncoderConfig;
  readonly names: OpenClipNames;
}

const topFields = [
  ...["embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "custom_text", "multimodal_cfg"],
  ...["init_logit_scale", "init_logit_bias", "nonscalar_logit_scale"],
];

/**
 * The model that open_clip would make, figures that the configuration leaves out filled in.
 *
 * file      where it came from, and `path` what stands before its fields, for messages
 * timmVits  the sizes behind the names of timm
 * throws    CheckpointError naming the file and the field: one that is unknown, out of range, or
 *           asks for what limn's towers do not compute
 */
export function fromModelConfig(
  file: string,
  json: JsonObject,
  { path = "", timmVits = timmVit }: { path?: string; timmVits?: TimmVits } = {},
): OpenClipModel {
  const fields = new StrictFields(file, path, json);
  fields.only(topFields);
  fields.fixed({ multimodal_cfg: [] });
  const embedDim = fields.integer("embed_dim", Number.NaN);
  const quickGelu = fields.boolean("quick_gelu", false);
  const image = readImage(fields.section("vision_cfg"), quickGelu, timmVits);
  const text = readText(fields.section("text_cfg"), quickGelu);
  checkWidths(fields, embedDim, { image, text });
  const bias = fields.raw("init_logit_bias");
  return {
    config: {
      embedDim,
      image: image.config,
      text: text.config,
      ...(!image.projection && { imageProjection: false }),
      ...(!text.projection && { textProjection: false }),
      logitScaleLogInit: fields.number("init_logit_scale", Math.log(1 / 0.07)),
      ...(bias !== undefined && { logitBiasInit: fields.number("init_logit_bias", 0) }),
    },
    names: {
      ...image.names,
      text: fields.boolean("custom_text", false) ? "text." : "",
      textProjection: text.config.projectionBias ? "linear" : "matrix",
      scalars: fields.boolean("nonscalar_logit_scale", false) ? "[1]" : "[]",
    },
  };
}

function checkWidths(
  fields: StrictFields,
  embedDim: number,
  { image, text }: { image: ReturnType<typeof readImage>; text: ReturnType<typeof readText> },
): void {
  for (const { config, projection } of [image, text]) {
    if (projection || config.kind === "modifiedResNet" || !("width" in config)) continue;
    if (config.width !== embedDim) {
      fields.fail("embed_dim", `${config.width}, the width of the tower without projection,`);
    }
  }
}
