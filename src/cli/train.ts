import { writeFileSync } from "node:fs";
import path from "node:path";

import { formatTable, metricsJson } from "../evaluate/table.ts";
import { renderReport } from "../report/report.ts";
import { runReport } from "../train/run-report.ts";
import { train, type TrainResult } from "../train/train.ts";
import { defineCommand, type Command } from "./command.ts";
import { loadFile } from "./load-file.ts";

const command: Command = defineCommand({
  name: "train",
  summary:
    "Trains a recipe; a run found in the folder goes on where it stopped.\n" +
    "The first Ctrl-C ends it after the step in hand, with a checkpoint; the second at once.",
  usage: "<recipe>",
  options: {
    workdir: { type: "string", value: "<folder>", help: "the run's folder; default runs/<name>" },
    set: { type: "string", multiple: true, value: "<path=value>", help: "change one recipe value" },
    smoke: { type: "boolean", help: "two steps of eight pairs, to see that it runs" },
    "allow-recipe-change": { type: "boolean", help: "go on with a run whose recipe was another" },
  },
  examples: [
    "limn train recipes/clip-vit-b-32.ts --set data.train.shards=shards/{000..099}.tar",
    "limn train recipe.ts --workdir runs/first --set train.batchSize=256",
    "limn train runs/first/recipe.json --workdir runs/first",
  ],
  async run({ options, operands, print, json }) {
    const file = operands[0] ?? "";
    const recipe = await loadFile(file);
    const directory = options.workdir ?? path.join("runs", nameOf(recipe, file));
    const result = await train({
      recipe,
      directory,
      set: options.set ?? [],
      smoke: options.smoke ?? false,
      allowRecipeChange: options["allow-recipe-change"] ?? false,
      handleSignals: true,
      pictures: 200,
      ...(json ? {} : { progress: process.stderr }),
    });
    if (result.signal === undefined) {
      writeFileSync(path.join(directory, "report.html"), renderReport(await runReport(result)));
    }
    print(describe(result), toJson(result));
    return result.signal === undefined ? 0 : 128 + result.signal;
  },
});
export default command;

function nameOf(recipe: unknown, file: string): string {
  const name = (recipe as { name?: unknown } | null)?.name;
  return typeof name === "string" ? name : path.basename(file).replace(/\.\w+$/, "");
}

function describe(result: TrainResult): string {
  const { directory, step, stopped, skipped, suites } = result;
  const lines = suites.map((suite) =>
    formatTable(
      suite.tasks.flatMap(({ rows }) => rows),
      { title: suite.title },
    ),
  );
  if (skipped > 0) {
    const first = result.badSamples
      .slice(0, 3)
      .map(({ file, key, reason }) => `  ${file} ${key ?? ""}: ${reason}`);
    lines.push(
      [`${skipped} samples could not be read and were skipped, such as:`, ...first].join("\n"),
    );
  }
  if (stopped !== undefined) {
    lines.push(`Stopped at step ${step} (${stopped}); the same command goes on from there.`);
  }
  if (stopped !== "signal") {
    lines.push(`Model: ${directory}/model   Report: ${directory}/report.html`);
  }
  return lines.join("\n\n");
}

function toJson({ suites, recipe: _, ...rest }: TrainResult): unknown {
  const rows = suites.flatMap(({ tasks }) => tasks.flatMap((task) => task.rows));
  return { ...rest, metrics: metricsJson(rows) };
}
