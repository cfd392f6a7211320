/** Names for examples that stay the same from epoch to epoch, run to run and machine to machine. */
import { resolve } from "node:path";
import type { Source } from "../sources/source.ts";

/**
 * A short name for each part of a source: as few of the last segments of its path as tell all parts
 * apart, so that a source may move with its folders. A path that occurs again is numbered.
 */
export function partNames({ parts }: Pick<Source, "parts">): string[] {
  const segments = parts.map(({ path }) => resolve(path).split(/[\\/]/));
  const distinct = new Set(segments.map((names) => names.join("/"))).size;
  const most = Math.max(1, ...segments.map(({ length }) => length));
  let names: string[] = [];
  for (let count = 1; count <= most; count++) {
    names = segments.map((path) => path.slice(-count).join("/"));
    if (new Set(names).size === distinct) break;
  }
  const seen = new Map<string, number>();
  return names.map((name) => {
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    return times === 1 ? name : `${name}~${times}`;
  });
}

/** `part#number` for the picture, `part#number/caption` for one of its captions; all from 0. */
export function exampleId(image: string, caption: number | undefined): string {
  return caption === undefined ? image : `${image}/${caption}`;
}
