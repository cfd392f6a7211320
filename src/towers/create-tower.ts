/** From a tower's configuration to the tower, by its kind. */
import { Bert, type BertConfig } from "./bert.ts";
import { BitResNet, type BitResNetConfig } from "./bit-resnet.ts";
import { EfficientNet, type EfficientNetConfig } from "./efficient-net.ts";
import { Mixer, type MixerConfig } from "./mixer.ts";
import { ModifiedResNet, type ModifiedResNetConfig } from "./modified-resnet.ts";
import {
  NaflexVisionTransformer,
  type NaflexVisionTransformerConfig,
} from "./naflex-vision-transformer.ts";
import { TextTransformer, type TextTransformerConfig } from "./text-transformer.ts";
import type { ImageTower, TextTower } from "./tower.ts";
import { VisionTransformer, type VisionTransformerConfig } from "./vision-transformer.ts";

export type ImageTowerConfig =
  | VisionTransformerConfig
  | NaflexVisionTransformerConfig
  | ModifiedResNetConfig
  | EfficientNetConfig
  | MixerConfig
  | BitResNetConfig;
export type TextTowerConfig = TextTransformerConfig | BertConfig;

/** `embedDim` null: no projection, the features are the embeddings. Throws RangeError for bad sizes. */
export function createImageTower(config: ImageTowerConfig, embedDim: number | null): ImageTower {
  switch (config.kind) {
    case "vit":
      return new VisionTransformer(config, embedDim);
    case "naflex":
      return new NaflexVisionTransformer(config, embedDim);
    case "modifiedResNet":
      return new ModifiedResNet(config, embedDim);
    case "efficientNet":
      return new EfficientNet(config, embedDim);
    case "mixer":
      return new Mixer(config, embedDim);
    case "bitResNet":
      return new BitResNet(config, embedDim);
    default:
      return unknownKind("image", config);
  }
}

/** `embedDim` null: no projection, the features are the embeddings. Throws RangeError for bad sizes. */
export function createTextTower(config: TextTowerConfig, embedDim: number | null): TextTower {
  switch (config.kind) {
    case "transformer":
      return new TextTransformer(config, embedDim);
    case "bert":
      return new Bert(config, embedDim);
    default:
      return unknownKind("text", config);
  }
}

function unknownKind(side: string, config: never): never {
  const { kind } = config as { kind?: unknown };
  throw new RangeError(`Expected a kind of ${side} tower but received ${JSON.stringify(kind)}`);
}
