/** `limn suite check`: whether the sets of a suite are there and whole. */
import { counted } from "../../errors.ts";
import { checkSet, type CheckedSet } from "../../evaluate/suites/check-set.ts";
import { defineCommand, type Command } from "../command.ts";
import { namedSuite, onlyOption } from "../options/named-suite.ts";
import { progressLine } from "../print/progress-line.ts";
import { checkedText } from "../print/suite/suite-sets.ts";

/** Samples between lines about progress. */
const EVERY = 1000;

const command: Command = defineCommand({
  name: "suite check",
  summary:
    "Looks whether the sets of a suite are there and whole: shards, samples, labels, classes and templates\n" +
    "against what was published. Needs no model and no network. Exits with 1 where anything is missing.",
  usage: "<suite> [folder]",
  options: {
    decode: { type: "boolean", help: "decode every picture as well, which takes long" },
    ...onlyOption,
  },
  examples: [
    "limn suite check datacomp-38 sets",
    "limn suite check datacomp-38 sets --only vtab/pets --decode",
    "limn suite check mine.json --json",
  ],
  async run({ options, operands, print }) {
    const [given = "", root] = operands;
    const suite = await namedSuite(given, options.only);
    const results: CheckedSet[] = [];
    const line = progressLine(process.stderr, (text: string) => text);
    for (const [i, set] of suite.sets.entries()) {
      const place = `${i + 1} of ${suite.sets.length}, ${set.name}`;
      const result = await checkSet(set, {
        root,
        decode: options.decode,
        hub: { offline: true },
        onSamples: (samples) => {
          if (samples % EVERY === EVERY - 1)
            line.show(`${place}: ${counted(samples + 1, "sample")}`);
        },
      });
      results.push(result);
    }
    line.end();
    print(checkedText(results, { suite, given, root }), { suite: suite.name, sets: results });
    return results.every(({ state }) => state === "there") ? 0 : 1;
  },
});
export default command;
