/** `limn suite list`: the suites, the sets of one, and what is there of them. */
import { suites } from "../../evaluate/suites/index.ts";
import { placeOf } from "../../evaluate/suites/open-set.ts";
import { defineCommand, type Command } from "../command.ts";
import { namedSuite } from "../options/named-suite.ts";
import { setsTable, suitesTable } from "../print/suite/suite-sets.ts";

const command: Command = defineCommand({
  name: "suite list",
  summary:
    "Shows the suites; of one its sets, their sizes and the metric that stands for each; with a folder\n" +
    "where each of them is.",
  usage: "[suite] [folder]",
  examples: [
    "limn suite list",
    "limn suite list datacomp-38",
    "limn suite list datacomp-38 sets",
    "limn suite list mine.json --json",
  ],
  async run({ operands, print }) {
    const [given, root] = operands;
    if (given === undefined) {
      const all = suites.map(({ name, title, summary, sets }) => ({
        ...{ name, title, summary },
        sets: sets.length,
      }));
      print(suitesTable(suites), all);
      return;
    }
    const suite = await namedSuite(given, undefined);
    const hasPlaces = root !== undefined || suite.sets.some(({ at }) => at !== undefined);
    const places = new Map(suite.sets.map((set) => [set.name, placeOf(set, root)]));
    const sets = suite.sets.map((set) => ({
      ...set,
      ...(hasPlaces && { place: places.get(set.name) ?? null }),
    }));
    print(hasPlaces ? setsTable(suite, places) : setsTable(suite), { ...suite, sets });
  },
});
export default command;
