/** What LiT's letters (arXiv:2111.07991, section 3) and a recipe's `towers` mean. */
import { RecipeError } from "../../errors.ts";
import type { TowerRecipe, TowersRecipe } from "../recipe/recipe-model.ts";
import { pathOf, type NamedModel } from "../../checkpoints/named-model.ts";

export type TowerState = Omit<TowerRecipe, "locked"> & { locked: boolean };
export type TowerStates = Record<"image" | "text", TowerState>;

interface TowersContext {
  /** Optimizer steps of the whole run. */
  steps: number;
  /** The pair whose weights both towers start from, if any. */
  pretrained?: NamedModel | undefined;
}

/**
 * Both towers' states, the letters of `setting` spelled out.
 *
 * throws  RecipeError where letters and keys contradict each other, where a tower without pretrained
 *         weights is locked or adapted, where a locked tower is to be trained
 */
export function resolveTowers(towers: TowersRecipe, context: TowersContext): TowerStates {
  const [image, text] = towers.setting ?? [undefined, undefined];
  return {
    image: resolveTower("image", towers.image, image, context),
    text: resolveTower("text", towers.text, text, context),
  };
}

function resolveTower(
  side: "image" | "text",
  tower: TowerRecipe,
  letter: string | undefined,
  { steps, pretrained: pair }: TowersContext,
): TowerState {
  const key = `towers.${side}`;
  const locked = tower.locked ?? letter === "L";
  if (letter === "u" && pair !== undefined) {
    const received = `"${pathOf(pair)}", which holds a ${side} tower too, though the setting says u for it`;
    refuse("pretrained", "nothing", received, "write U or L, or name one tower's weights");
  }
  if (letter !== undefined) checkLetter(key, tower, letter, pair);
  if (tower.pretrained === undefined && pair === undefined) {
    if (locked) {
      refuse(
        `${key}.pretrained`,
        "a model folder",
        "nothing",
        "a random tower is not worth locking",
      );
    }
    if (tower.head === "pretrained") {
      refuse(`${key}.head`, "random", "pretrained", `name the weights in ${key}.pretrained`);
    }
  }
  checkTrainedTower(key, tower, { locked, hasWeights: (tower.pretrained ?? pair) !== undefined });
  if (tower.unlockAtStep !== undefined && !(locked && tower.unlockAtStep < steps)) {
    const wanted = `a step before train.steps ${steps} of a locked tower`;
    refuse(
      `${key}.unlockAtStep`,
      wanted,
      String(tower.unlockAtStep),
      "remove it or lock the tower",
    );
  }
  if (tower.cache !== undefined && (!locked || tower.unlockAtStep !== undefined)) {
    const what = locked ? "a tower that is unlocked later" : "a tower that is trained";
    refuse(`${key}.cache`, "a locked tower", what, "features that change cannot be kept");
  }
  return { ...tower, locked };
}

/** Settings of how a tower is trained, which a locked one is not. */
function checkTrainedTower(
  key: string,
  { lora, layerDecay, unlockAtStep }: TowerRecipe,
  { locked, hasWeights }: { locked: boolean; hasWeights: boolean },
): void {
  if (lora !== undefined && locked) {
    const advice = "low-rank changes keep its weights as they are, so do not lock it as well";
    refuse(`${key}.lora`, "a tower that is not locked", "a locked one", advice);
  }
  if (lora !== undefined && !hasWeights) {
    const advice = "low-rank changes are of weights that were learned before";
    refuse(`${key}.pretrained`, `a model folder, as ${key}.lora is given,`, "nothing", advice);
  }
  if (layerDecay !== undefined && locked && unlockAtStep === undefined) {
    const advice = "remove it or unlock the tower";
    refuse(`${key}.layerDecay`, "a tower that is trained", "a locked one", advice);
  }
}

function checkLetter(
  key: string,
  { pretrained, locked }: TowerRecipe,
  letter: string,
  pair: NamedModel | undefined,
): void {
  if (letter === "u" && pretrained !== undefined) {
    refuse(
      `${key}.pretrained`,
      "nothing, as the setting says u,",
      `"${pathOf(pretrained)}"`,
      "write U or L",
    );
  }
  if (letter !== "u" && pretrained === undefined && pair === undefined) {
    refuse(
      `${key}.pretrained`,
      `a model folder, as the setting says ${letter},`,
      "nothing",
      "name one",
    );
  }
  if (locked !== undefined && locked !== (letter === "L")) {
    const wanted = `${letter === "L"}, as the setting says ${letter},`;
    refuse(`${key}.locked`, wanted, String(locked), "remove one of the two");
  }
}

function refuse(key: string, wanted: string, received: string, advice: string): never {
  throw new RecipeError(key, `Expected ${wanted} for ${key} but received ${received}; ${advice}`);
}
