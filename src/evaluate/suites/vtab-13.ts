/**
 * VTAB as DataComp groups it: 13 sets by zero-shot classification. The paper's own benchmark (arXiv:1910.04867) is 19
 * sets learned from 1,000 examples; as zero-shot sets CLIP_benchmark's list has them.
 */
import { dataComp38, vtabOfDataComp } from "./datacomp-38.ts";
import { averageOf, type SuiteDefinition } from "./suite.ts";

const sets = dataComp38.sets.filter(({ name }) => vtabOfDataComp.includes(name));

export const vtab13: SuiteDefinition = {
  name: "vtab-13",
  title: "VTAB, 13 sets of DataComp",
  summary: "the 13 sets of VTAB that DataComp has, zero-shot",
  source: { paper: "arXiv:1910.04867", url: "https://github.com/mlfoundations/datacomp" },
  sets,
  averages: [averageOf(sets, "average", "VTAB")],
};
