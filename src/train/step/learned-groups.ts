/** Which learned numbers of a run share a rate: those of the towers, the logit scale, the objective. */
import type { DualEncoder } from "../../pair/dual-encoder.ts";
import { parameterGroups, type ParameterGroup } from "../../optimize/groups.ts";
import type { ScaleRate } from "../recipe/logits.ts";
import type { TrainingObjective } from "../../objectives/objective.ts";
import type { LockableTower } from "./lockable-tower.ts";

export interface LearnedGroupOptions {
  weightDecay: number;
  towers: Record<"image" | "text", LockableTower>;
  scaleRate: ScaleRate | undefined;
}

/** The optimizer's groups; the objective's scalars, under `objective.`, never decay. */
export function learnedGroups(
  model: DualEncoder,
  objective: TrainingObjective,
  { weightDecay, towers, scaleRate }: LearnedGroupOptions,
): ParameterGroup[] {
  const own = scaleRate?.group.parameters ?? new Map<string, never>();
  const groups: ParameterGroup[] = parameterGroups(model, {
    weightDecay,
    towers: {
      ...towers.image.rates("imageTower.", weightDecay),
      ...towers.text.rates("textTower.", weightDecay),
    },
  }).map((group) => ({
    ...group,
    parameters: new Map([...group.parameters].filter(([path]) => !own.has(path))),
  }));
  if (scaleRate) groups.push(scaleRate.group);
  if (objective.module) {
    groups.push({
      parameters: new Map(objective.module.namedParameters("objective")),
      learningRateFactor: objective.learningRateFactor ?? 1,
      weightDecay: 0,
    });
  }
  return groups;
}
