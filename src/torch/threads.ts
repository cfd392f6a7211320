/** How many threads libtorch starts with. */
import { usableCores } from "../files/cores.ts";

/** OMP_NUM_THREADS where it is set, else every usable core. */
export function startingThreads(environment: NodeJS.ProcessEnv = process.env): number {
  const wanted = Number(environment["OMP_NUM_THREADS"]);
  return Number.isInteger(wanted) && wanted >= 1 ? wanted : usableCores();
}
