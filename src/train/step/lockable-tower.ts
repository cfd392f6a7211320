/** Locking of towers (arXiv:2111.07991, section 3) and low-rank changes beside their weights. */
import { RecipeError } from "../../errors.ts";
import { LayerNorm } from "../../nn/layers.ts";
import { lowRankNames } from "../../nn/low-rank.ts";
import type { Parameter } from "../../nn/module.ts";
import type { TowerRates } from "../../optimize/groups.ts";
import { adaptTower } from "../../towers/adapt-tower.ts";
import { layerFactors } from "../../towers/layer-levels.ts";
import type { ImageTower, TextTower } from "../../towers/tower.ts";
import type { LoraRecipe } from "../recipe/recipe-model.ts";
import type { TowerState } from "./tower-states.ts";

/** Throws RecipeError where nothing is trained: both towers are locked whole. */
export function checkTrained(towers: Record<"image" | "text", LockableTower>): void {
  if (Object.values(towers).some((one) => one.trained)) return;
  throw new RecipeError(
    "towers",
    "Expected something to train for towers but received two towers that are locked with their heads, " +
      "or have none; unlock a tower, or give one a random head",
  );
}

/** A tower of the model with its state: locks, unlocks and adapts it as the recipe says. */
export class LockableTower {
  readonly tower: ImageTower | TextTower;
  readonly state: TowerState;
  #locked = false;

  /** Adds the state's low-rank changes, from the default generator. Throws RangeError for impossible ones. */
  constructor(tower: ImageTower | TextTower, state: TowerState) {
    this.tower = tower;
    this.state = state;
    if (state.lora) adapt(tower, state.lora);
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

  /** Locks or unlocks for the step at `position`, in steps of the run. */
  at(position: number): void {
    const { locked, unlockAtStep = Infinity } = this.state;
    this.#locked = locked && position < unlockAtStep;
    const { lora } = this.state;
    const keeps = this.#locked || lora !== undefined;
    for (const { tensor } of lora ? this.#keptBesideChanges(lora) : this.#lockable()) {
      if (tensor.requiresGrad === keeps) tensor.setRequiresGrad(!keeps);
    }
  }

  /** A random head is trained on a locked tower; one that came with it is locked with it. */
  #lockable(): Parameter[] {
    return [...this.tower.namedParameters()]
      .filter(([path]) => this.state.head === "pretrained" || !path.startsWith("projection."))
      .map(([, parameter]) => parameter);
  }

  /** The weights that stay as they are while low-rank changes are trained. */
  #keptBesideChanges({ train }: LoraRecipe): Parameter[] {
    const { head, pretrained } = this.state;
    const trained = lowRankNames(this.tower);
    if (train.includes("norms")) {
      for (const [path, module] of this.tower.namedModules()) {
        if (!(module instanceof LayerNorm)) continue;
        for (const [name] of module.namedParameters(path)) trained.add(name);
      }
    }
    // A head that starts at random is trained whole.
    const isRandom = head === "random" && pretrained !== undefined;
    const trainsHead = isRandom || train.includes("head");
    return [...this.tower.namedParameters()]
      .filter(([path]) => !trained.has(path) && !(trainsHead && path.startsWith("projection.")))
      .map(([, parameter]) => parameter);
  }

  /** Training mode for what is trained, evaluation mode for what is locked. */
  prepare(): void {
    this.tower.train(!this.#locked);
  }

  /** The rates of the tower's parameters by the start of their paths, with `prefix` before each. */
  rates(prefix: string, weightDecay: number): Record<string, TowerRates> {
    const { learningRateFactor, layerDecay } = this.state;
    const decay = this.state.weightDecay ?? weightDecay;
    const whole = { [prefix]: { learningRateFactor, weightDecay: decay } };
    if (layerDecay === undefined) return whole;
    const rates = [...layerFactors(this.tower, layerDecay)].map(([path, factor]) => [
      prefix + path,
      { learningRateFactor: learningRateFactor * factor, weightDecay: decay },
    ]);
    return Object.fromEntries(rates) as Record<string, TowerRates>;
  }
}

function adapt(tower: ImageTower | TextTower, { train, ...lora }: LoraRecipe): void {
  if (train.includes("head") && tower.projection === null) {
    throw new RangeError(
      'Expected a tower with a projection for train "head" but received one without',
    );
  }
  adaptTower(tower, lora);
}
