/** What LiT's letters and a recipe's `towers` mean, and locking itself (arXiv:2111.07991, section 3). */
import { RecipeError } from "../errors.ts";
import type { Parameter } from "../nn/module.ts";
import type { TowerRates } from "../nn/optimizer-groups.ts";
import type { ImageTower, TextTower } from "../towers/tower.ts";
import type { TowerRecipe, TowersRecipe } from "./recipe-model.ts";

export type TowerState = Omit<TowerRecipe, "locked"> & { locked: boolean };
export type TowerStates = Record<"image" | "text", TowerState>;

export interface TowersContext {
  /** Optimizer steps of the whole run. */
  steps: number;
  /** The pair whose weights both towers start from, if any. */
  pretrained?: string | undefined;
}

/**
 * Both towers' states, the letters of `setting` spelled out.
 *
 * throws  RecipeError where letters and keys contradict each other, where a tower without pretrained
 *         weights is locked
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
    const received = `"${pair}", which holds a ${side} tower too, though the setting says u for it`;
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

function checkLetter(
  key: string,
  { pretrained, locked }: TowerRecipe,
  letter: string,
  pair: string | undefined,
): void {
  if (letter === "u" && pretrained !== undefined) {
    refuse(
      `${key}.pretrained`,
      "nothing, as the setting says u,",
      `"${pretrained}"`,
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

/** Throws RecipeError where both towers are locked with their heads, or have none. */
export function checkTrained(towers: Record<"image" | "text", LockableTower>): void {
  if (Object.values(towers).some((one) => one.trained)) return;
  const received = "two towers that are locked with their heads, or have none";
  refuse("towers", "something to train", received, "unlock a tower, or give one a random head");
}

/** A tower of the model with its state: locks and unlocks it as the steps go. */
export class LockableTower {
  readonly tower: ImageTower | TextTower;
  readonly state: TowerState;
  #locked = false;

  constructor(tower: ImageTower | TextTower, state: TowerState) {
    this.tower = tower;
    this.state = state;
    this.at(0);
  }

  /** True where the tower runs without gradient, as in evaluation. */
  get locked(): boolean {
    return this.#locked;
  }

  /** True where something of the tower is trained now. */
  get trained(): boolean {
    return [...this.tower.parameters()].some(({ tensor }) => tensor.requiresGrad);
  }

  /** Locks or unlocks for the step after `step` done ones. */
  at(step: number): void {
    const { locked, unlockAtStep = Infinity } = this.state;
    this.#locked = locked && step < unlockAtStep;
    for (const { tensor } of this.#lockable()) {
      if (tensor.requiresGrad === this.#locked) tensor.setRequiresGrad(!this.#locked);
    }
  }

  /** A random head is trained on a locked tower; one that came with it is locked with it. */
  #lockable(): Parameter[] {
    return [...this.tower.namedParameters()]
      .filter(([path]) => this.state.head === "pretrained" || !path.startsWith("projection."))
      .map(([, parameter]) => parameter);
  }

  /** Training mode for what is trained, evaluation mode for what is locked. */
  prepare(): void {
    this.tower.train(!this.#locked);
  }

  rates(weightDecay: number): TowerRates {
    const { learningRateFactor } = this.state;
    return { learningRateFactor, weightDecay: this.state.weightDecay ?? weightDecay };
  }
}
