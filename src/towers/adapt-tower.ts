/** Low-rank changes (LoRA) of a tower's projections, chosen by role and block. */
import { didYouMean } from "../errors.ts";
import { adaptable, addLowRank, type LowRankOptions, type MatrixPlace } from "../nn/low-rank.ts";
import type { Module } from "../nn/module.ts";
import { Block, PostNormBlock } from "../nn/transformer.ts";

/** The matrices of a block: those of its attention, then those of its perceptron. */
export const projectionRoles = ["query", "key", "value", "output", "up", "down"] as const;
export type ProjectionRole = (typeof projectionRoles)[number];

export interface TowerAdaptation extends LowRankOptions {
  targets: readonly ProjectionRole[];
  /** Which blocks, counted from the output. All when absent. */
  blocks?: "all" | { last: number };
}

/**
 * Adds low-rank changes, which begin at nothing, to the projections of a transformer's blocks. The
 * head and SigLIP's attention pooling have none.
 *
 * throws  RangeError for a tower without transformer blocks, for a role, a rank or a number of blocks
 *         that it does not have, and for a projection that is changed already; nothing is added then
 */
export function adaptTower(
  tower: Module,
  { targets, blocks = "all", ...options }: TowerAdaptation,
): void {
  const all = transformerBlocks(tower);
  for (const role of targets) checkRole(role);
  const chosen = blocks === "all" ? all : all.slice(-checkLast(blocks.last, all.length));
  const places = chosen.flatMap((block) => [...new Set(targets)].map((role) => place(block, role)));
  if (places.some(({ owner, part }) => adaptable(owner, part) === "taken")) {
    throw new RangeError(
      "Expected projections without low-rank changes for targets but received some that have them; " +
        "merge those first",
    );
  }
  addLowRank(places, options);
}

function transformerBlocks(tower: Module): (Block | PostNormBlock)[] {
  const { blocks } = tower as { blocks?: unknown };
  const found = (Array.isArray(blocks) ? blocks : []) as unknown[];
  const transformers = found.filter((one) => one instanceof Block || one instanceof PostNormBlock);
  if (transformers.length > 0) return transformers;
  const { kind } = (tower as { config?: { kind?: string } }).config ?? {};
  throw new RangeError(
    `Expected a tower of transformer blocks for low-rank changes but received ${kind ?? "another"}; ` +
      "train it in full, or only its head",
  );
}

function checkRole(role: string): void {
  if ((projectionRoles as readonly string[]).includes(role)) return;
  throw new RangeError(
    `Expected one of ${projectionRoles.join(", ")} for targets but received "${role}".` +
      didYouMean(role, projectionRoles),
  );
}

function checkLast(last: number, depth: number): number {
  if (Number.isInteger(last) && last >= 1 && last <= depth) return last;
  throw new RangeError(
    `Expected a whole number from 1 to ${depth}, the tower's blocks, for blocks.last but received ` +
      `${last}; choose another`,
  );
}

function place({ attention, mlp }: Block | PostNormBlock, role: ProjectionRole): MatrixPlace {
  switch (role) {
    case "query":
      return { owner: attention.input, part: 0 };
    case "key":
      return { owner: attention.input, part: 1 };
    case "value":
      return { owner: attention.input, part: 2 };
    case "output":
      return { owner: attention.output, part: undefined };
    case "up":
    case "down":
      return { owner: mlp[role], part: undefined };
  }
}
