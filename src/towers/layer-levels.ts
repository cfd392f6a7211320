/** How far from a tower's output each of its parameters lies, for learning rates that decay with it. */
import type { ImageTower, TextTower } from "./tower.ts";

const block = /^(?:stages\.\d+\.)?blocks\.\d+\./;

/**
 * The multiplier of the learning rate of every parameter, by path:
 *
 *     decay^(top - level)
 *
 * Embeddings, stem and a norm before the blocks are level 0; block i (of a ResNet: of all stages, one
 * after another) is level i + 1, and the norm or statistics that close the last block belong to it;
 * the head and a pooling of its own are level L + 1. `top` is the highest level that the tower has:
 * L + 1, or L without head.
 *
 * As open_clip's `layer_groups` and timm's `param_groups_layer_decay` (BEiT, arXiv:2106.08254, puts
 * the closing norm with the head).
 *
 * throws  RangeError for a decay outside (0, 1]
 */
export function layerFactors(tower: ImageTower | TextTower, decay: number): Map<string, number> {
  if (!(decay > 0 && decay <= 1)) {
    throw new RangeError(`Expected above 0 and at most 1 for layerDecay but received ${decay}`);
  }
  const levels = layerLevels(tower);
  const highest = Math.max(...levels.values());
  return new Map([...levels].map(([path, level]) => [path, decay ** (highest - level)]));
}

function layerLevels(tower: ImageTower | TextTower): Map<string, number> {
  const levels = new Map<string, number>();
  const blocks = new Set<string>();
  const above = new Set(tower.aboveBlocks);
  // Parameters come in the order of the layers: what is declared before the blocks feeds them.
  for (const [path] of tower.namedParameters()) {
    const inside = block.exec(path)?.[0];
    if (inside !== undefined) blocks.add(inside);
    levels.set(path, above.has(path.slice(0, path.indexOf("."))) ? Infinity : blocks.size);
  }
  for (const [path, level] of levels) if (level === Infinity) levels.set(path, blocks.size + 1);
  return levels;
}
