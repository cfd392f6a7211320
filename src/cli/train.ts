import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import path from "node:path";

import { renderReport } from "../report/report.ts";
import { resolveRecipe } from "../train/resolve-recipe.ts";
import { runReport } from "../train/run-report.ts";
import { train } from "../train/train.ts";
import { defineCommand, type Command } from "./command.ts";
import { loadFile } from "./load-file.ts";
import { describeResult, resultJson } from "./train-result.ts";

const command: Command = defineCommand({
  name: "train",
  summary:
    "Trains a recipe; a run found in the folder goes on where it stopped.\n" +
    "The first Ctrl-C ends it after the step in hand, with a checkpoint; the second at once.",
  usage: "<recipe>",
  options: {
    workdir: { type: "string", value: "<folder>", help: "the run's folder; default runs/<name>" },
    set: { type: "string", multiple: true, value: "<path=value>", help: "change one recipe value" },
    smoke: {
      type: "boolean",
      help: "two steps of eight pairs, to see that it runs; by default in runs/<name>-smoke-...",
    },
    "allow-recipe-change": { type: "boolean", help: "go on with a run whose recipe was another" },
  },
  examples: [
    "limn train recipes/clip-vit-b-32.ts --set data.train.shards=shards/{000..099}.tar",
    "limn train recipe.ts --workdir runs/first --set train.batchSize=256",
    "limn train runs/first/recipe.json --workdir runs/first",
  ],
  async run({ options, operands, print, json }) {
    const recipe = await loadFile(operands[0] ?? "");
    const changes = { set: options.set ?? [], smoke: options.smoke ?? false };
    const { name } = resolveRecipe(recipe, changes);
    const directory = options.workdir ?? runFolder(name, changes.smoke);
    const result = await train({
      recipe,
      directory,
      ...changes,
      allowRecipeChange: options["allow-recipe-change"] ?? false,
      handleSignals: true,
      pictures: 200,
      ...(json ? {} : { progress: process.stderr }),
    });
    if (result.signal === undefined) {
      writeFileSync(path.join(directory, "report.html"), renderReport(await runReport(result)));
    }
    print(describeResult(result), resultJson(result));
    return result.signal === undefined ? 0 : 128 + result.signal;
  },
});
export default command;

/** A smoke run gets a new folder each time: it must neither go on with a run nor stand in its way. */
function runFolder(name: string, smoke: boolean): string {
  if (!smoke) return path.join("runs", name);
  mkdirSync("runs", { recursive: true });
  return mkdtempSync(path.join("runs", `${name}-smoke-`));
}
