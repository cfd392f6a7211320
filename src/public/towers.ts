/** `limn/towers`: configurations and published sizes of image and text towers. */
export { bitResNetSizes, type BitResNetConfig } from "../towers/image/bit-resnet.ts";
export {
  efficientNetSizes,
  type EfficientNetConfig,
  type EfficientNetStage,
} from "../towers/image/efficient-net.ts";
export { mixerSizes, type MixerConfig } from "../towers/image/mixer.ts";
export { modifiedResNetSizes, type ModifiedResNetConfig } from "../towers/image/modified-resnet.ts";
export type { NaflexVisionTransformerConfig } from "../towers/image/naflex-vision-transformer.ts";
export { vitSizes, type VisionTransformerConfig } from "../towers/image/vision-transformer.ts";
export {
  resizeImagePositionEmbedding,
  resizeTextPositionEmbedding,
} from "../towers/resize-position-embedding.ts";
export { bertSizes, type BertConfig } from "../towers/text/bert-tower.ts";
export { textSizes, type TextTransformerConfig } from "../towers/text/text-transformer.ts";
export type { ImagePatches, PatchGrid } from "../towers/tower.ts";
