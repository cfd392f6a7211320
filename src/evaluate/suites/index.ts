/** Every suite that limn knows. A new one is a file beside this one and a line in `suites`. */
import { clipBenchmark } from "./clip-benchmark.ts";
import { dataComp38 } from "./datacomp-38.ts";
import { lixp21 } from "./lixp-21.ts";
import { retrievalSets } from "./retrieval-sets.ts";
import { selection } from "./selection.ts";
import type { SuiteDefinition } from "./suite.ts";
import { vtab13 } from "./vtab-13.ts";

export const suites: readonly SuiteDefinition[] = [
  dataComp38,
  vtab13,
  clipBenchmark,
  lixp21,
  selection,
  retrievalSets,
];
