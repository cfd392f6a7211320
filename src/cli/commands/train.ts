/** `limn train`: train a recipe, or go on with a run. */
import path from "node:path";

import { writeReport } from "../../report/report.ts";
import { resolveRecipe } from "../../train/recipe/resolve-recipe.ts";
import { runReport } from "../../train/run/run-report.ts";
import { train } from "../../train/train-pair.ts";
import { defineCommand, type Command } from "../command.ts";
import { loadFile } from "../options/load-file.ts";
import { runArguments, runOptions } from "../options/run-options.ts";
import { describeRun, runJson } from "../print/run-outcome.ts";

const command: Command = defineCommand({
  name: "train",
  summary:
    "Trains a recipe; a run found in the folder goes on where it stopped.\n" +
    "The first Ctrl-C ends it after the step in hand, with a checkpoint; the second at once.",
  usage: "<recipe>",
  options: runOptions,
  examples: [
    "limn train recipes/clip-vit-b-32.ts --set data.train.shards=shards/{000..099}.tar",
    "limn train recipe.ts --workdir runs/first --set train.batchSize=256",
    "limn train runs/first/recipe.json --workdir runs/first",
  ],
  async run({ options, operands, print, json }) {
    const recipe = await loadFile(operands[0] ?? "");
    const { set = [], smoke = false } = options;
    const { name } = resolveRecipe(recipe, { set, smoke });
    const given = runArguments(options, name, json);
    const result = await train({ recipe, ...given, pictures: 200 });
    if (result.signal === undefined) {
      writeReport(path.join(given.directory, "report.html"), await runReport(result));
    }
    print(describeRun(result), runJson(result));
    return result.signal === undefined ? 0 : 128 + result.signal;
  },
});
export default command;
