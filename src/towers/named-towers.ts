/** The published sizes of towers by name. */
import { didYouMean, RecipeError } from "../errors.ts";
import { bitResNetSizes } from "./bit-resnet.ts";
import type { ImageTowerConfig, TextTowerConfig } from "./create-tower.ts";
import { efficientNetSizes } from "./efficient-net.ts";
import { mixerSizes } from "./mixer.ts";
import { modifiedResNetSizes } from "./modified-resnet.ts";
import { bertSizes, naflexSizes, textSizes, vitSizes } from "./tower-sizes.ts";

const imageTowers: Readonly<Record<string, () => ImageTowerConfig>> = {
  ...vitSizes,
  ...naflexSizes,
  ...modifiedResNetSizes,
  ...efficientNetSizes,
  ...mixerSizes,
  ...bitResNetSizes,
};
const textTowers: Readonly<Record<string, () => TextTowerConfig>> = {
  ...textSizes,
  ...bertSizes,
};

/** A fresh copy of a published image tower's configuration; RecipeError for an unknown name. */
export function namedImageTower(name: string): ImageTowerConfig {
  return named(imageTowers, name, "model.image");
}

/** A fresh copy of a published text tower's configuration; RecipeError for an unknown name. */
export function namedTextTower(name: string): TextTowerConfig {
  return named(textTowers, name, "model.text");
}

function named<T>(table: Readonly<Record<string, () => T>>, name: string, key: string): T {
  const make = Object.hasOwn(table, name) ? table[name] : undefined;
  if (make) return make();
  const names = Object.keys(table);
  throw new RecipeError(
    key,
    `Expected one of ${names.join(", ")} for ${key} but received "${name}";` +
      (didYouMean(name, names) || " give a configuration object for another size"),
  );
}
