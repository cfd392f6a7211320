/** What a folder with one tower holds, as `limn pretrain` writes it. */
import { describeFiles, learnedCount, type ModelDescription } from "./describe-model.ts";
import { readTowerConfig, towerSide, type TowerConfig } from "./tower-folder.ts";

export interface TowerDescription extends Pick<
  ModelDescription,
  "folder" | "weights" | "evaluationTransform" | "tokenizer"
> {
  family: "image tower" | "text tower";
  /** The tower's kind, such as `vit`. */
  architecture: string;
  config: TowerConfig;
  /** Learned numbers; those beside the tower's are of what it was pretrained with, such as a head. */
  parameters: { total: number; tower: number };
}

/**
 * Describes a tower's folder, reading no weight; undefined for a folder of another kind.
 *
 * throws  CheckpointError or DataError naming the file that is missing or damaged
 */
export async function describeTower(folder: string): Promise<TowerDescription | undefined> {
  const side = towerSide(folder);
  if (side === undefined) return undefined;
  const config = readTowerConfig(folder, side);
  return {
    folder,
    family: `${side} tower`,
    architecture: config.kind,
    config,
    parameters: { total: learnedCount(folder), tower: learnedCount(folder, `${side}Tower.`) },
    ...(await describeFiles(folder)),
  };
}
