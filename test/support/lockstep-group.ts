/**
 * A group of ranks in one process and thread, for tests. A rank that needs what another has not given
 * yet is stopped by an exception and run again from its start, until all have gone through; so what a
 * rank runs must change nothing before its last exchange.
 */
import { cat, stack, type Tensor } from "../../src/torch/index.ts";
import type { ProcessGroup } from "../../src/train/process-group.ts";

class NotYet extends Error {}

/** Runs `body` for every rank of `groups` to its end; returns what the ranks returned. */
export function inLockstep<T>(
  size: number,
  body: (group: ProcessGroup) => T,
  restart: (rank: number) => void = () => undefined,
): T[] {
  const board: unknown[][] = [];
  const results = new Map<number, T>();
  for (let attempt = 0; results.size < size; attempt++) {
    if (attempt > 1000) throw new Error("Expected ranks that end but they wait for each other");
    for (let rank = 0; rank < size; rank++) {
      if (results.has(rank)) continue;
      try {
        results.set(rank, body(groupOf(rank, size, board)));
      } catch (error) {
        if (!(error instanceof NotYet)) throw error;
        restart(rank);
      }
    }
  }
  for (const given of board.flat()) if (isTensor(given)) given.dispose();
  return Array.from({ length: size }, (_, rank) => results.get(rank) as T);
}

function groupOf(rank: number, size: number, board: unknown[][]): ProcessGroup {
  let call = 0;
  const exchange = <V>(value: () => V): V[] => {
    const given = (board[call++] ??= []);
    if (!(rank in given)) given[rank] = value();
    if (Object.keys(given).length < size) throw new NotYet();
    return given as V[];
  };
  const tensors = (tensor: Tensor): Tensor[] => exchange(() => tensor.detach().clone().keep());
  return {
    rank,
    size,
    isFirst: rank === 0,
    gather: (rows) => {
      const parts = tensors(rows).map((part) => part.detach());
      // Of the same value, with the gradients of all ranks' losses, which are equal here.
      parts[rank] = rows.mul(size).sub(rows.detach().mul(size - 1));
      return cat(parts);
    },
    gatherValues: <V>(value: V) => [...exchange(() => value)],
    reduce: (tensor, how) => {
      const all = stack(tensors(tensor));
      return how === "sum" ? all.sum([0]) : all.mean([0]);
    },
    barrier: () => void exchange(() => null),
  };
}

function isTensor(value: unknown): value is Tensor {
  return typeof value === "object" && value !== null && "dispose" in value;
}
