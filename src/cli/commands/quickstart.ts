/** `limn quickstart`: train a small CLIP on icons and see what it learned. */
import path from "node:path";
import { pathToFileURL } from "node:url";

import { packageRoot } from "../../engine/engine-info.ts";
import type { ProgressStream } from "../../train/log/run-progress.ts";
import type { TrainResult } from "../../train/train-pair.ts";
import { metricsJson } from "../../evaluate/metric-table.ts";
import { defineCommand, type Command } from "../command.ts";
import { loadFile } from "../options/load-file.ts";

/** What examples/icons/quickstart.ts exports. */
type Quickstart = (options: {
  directory: string;
  seed: number;
  large: boolean;
  set: readonly string[];
  progress?: ProgressStream;
  note: (line: string) => void;
}) => Promise<{ result: TrainResult; text: string; report: string }>;

const command: Command = defineCommand({
  name: "quickstart",
  summary:
    "Trains a small CLIP on icons of many authors and their names, then lets it name and find icons\n" +
    "of three sets that it never saw. Takes about six minutes.",
  options: {
    directory: { type: "string", value: "<folder>", help: "default runs/quickstart" },
    seed: {
      type: "integer",
      least: 0,
      value: "<n>",
      help: "of the weights and the order; default 0",
    },
    large: {
      type: "boolean",
      help: "all of iconify's free icon sets, in pictures of 32 pixels; fetches and draws for minutes first",
    },
    set: { type: "string", multiple: true, value: "<path=value>", help: "change one recipe value" },
  },
  examples: [
    "limn quickstart",
    "limn quickstart --seed 1",
    "limn quickstart --set train.steps=100",
  ],
  async run({ options, print, note, json }) {
    const file = path.join(packageRoot(), "examples", "icons", "quickstart.ts");
    const quickstart = (await loadFile(file)) as Quickstart;
    const { result, text, report } = await quickstart({
      directory: options.directory ?? path.join("runs", "quickstart"),
      seed: options.seed ?? 0,
      large: options.large ?? false,
      set: options.set ?? [],
      note,
      ...(json ? {} : { progress: process.stderr }),
    });
    const where = pathToFileURL(path.resolve(report)).href;
    const next = `limn eval ${result.directory}/model --suites ${result.directory}/recipe.json`;
    const tail =
      result.signal === undefined ? `\nReport with pictures: ${where}\nAll tables: ${next}` : "";
    const rows = result.suites.flatMap(({ tasks }) => tasks.flatMap((task) => task.rows));
    print(`\n${text}\n${tail}`, {
      directory: result.directory,
      report,
      metrics: metricsJson(rows),
    });
    return result.signal === undefined ? 0 : 128 + result.signal;
  },
});
export default command;
