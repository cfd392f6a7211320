/** `limn suite fetch`: brings the sets of a suite from the hub. */
import { counted } from "../../errors.ts";
import { fetchSuite } from "../../evaluate/suites/fetch-suite.ts";
import { defineCommand, type Command } from "../command.ts";
import { namedSuite, onlyOption } from "../options/named-suite.ts";
import { hubFetching, hubOptions } from "../options/model-options.ts";
import { bytesText, fetchedText } from "../print/suite/suite-sets.ts";

const command: Command = defineCommand({
  name: "suite fetch",
  summary:
    "Brings the sets of a suite from the hub, but for what is there already, and shows each in a folder\n" +
    "as a link into the cache that Python shares. Stopped, it goes on where it was.",
  usage: "<suite> <folder>",
  options: {
    ...onlyOption,
    offline: {
      ...hubOptions.offline,
      help: "use what the cache of the hub has, and fetch nothing",
    },
  },
  examples: [
    "limn suite fetch vtab-13 sets",
    "limn suite fetch datacomp-38 sets --only cars --only vtab/pets",
  ],
  async run({ options, operands, print, note }) {
    const [given = "", root = ""] = operands;
    const suite = await namedSuite(given, options.only);
    const results = await fetchSuite(suite, {
      root,
      hub: hubFetching(options, note),
      onSet: ({ name }, files, bytes) =>
        note(`${name}: ${counted(files.length, "file")}, ${bytesText(bytes)}`),
    });
    print(fetchedText(results), { suite: suite.name, sets: results });
    return results.every(({ state }) => state === "fetched" || state === "there") ? 0 : 1;
  },
});
export default command;
