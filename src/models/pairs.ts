/** The published pairs by name: CLIP, and later ones. */
import { clipConfig, clipConfigNames } from "./configs.ts";
import type { DualEncoderConfig } from "./dual-encoder.ts";

/** The names `pairConfig` knows. */
export const pairNames: readonly string[] = clipConfigNames;

/** A fresh copy of a published pair's configuration; RecipeError for an unknown name. */
export function pairConfig(name: string): DualEncoderConfig {
  return clipConfig(name);
}
