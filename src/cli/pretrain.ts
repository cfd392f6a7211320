import { mkdirSync, mkdtempSync } from "node:fs";
import path from "node:path";

import { pretrain, type PretrainResult } from "../train/pretrain/pretrain.ts";
import { resolvePretraining } from "../train/resolve-recipe.ts";
import { defineCommand, type Command } from "./command.ts";
import { loadFile } from "./load-file.ts";

const command: Command = defineCommand({
  name: "pretrain",
  summary:
    "Trains one tower, to be locked or fine-tuned in a pair: an image tower to name classes,\n" +
    "or a causal text tower to predict the next token of captions. Goes on where a run stopped.",
  usage: "<recipe>",
  options: {
    workdir: { type: "string", value: "<folder>", help: "the run's folder; default runs/<name>" },
    set: { type: "string", multiple: true, value: "<path=value>", help: "change one recipe value" },
    smoke: {
      type: "boolean",
      help: "two steps of eight samples, to see that it runs; by default in runs/<name>-smoke-...",
    },
    "allow-recipe-change": { type: "boolean", help: "go on with a run whose recipe was another" },
  },
  examples: [
    "limn pretrain classify.ts --workdir runs/image-tower",
    "limn train lit.ts --set towers.image.pretrained=runs/image-tower/model",
  ],
  async run({ options, operands, print, json }) {
    const recipe = await loadFile(operands[0] ?? "");
    const changes = { set: options.set ?? [], smoke: options.smoke ?? false };
    const { name } = resolvePretraining(recipe, changes);
    const result = await pretrain({
      recipe,
      directory: options.workdir ?? runFolder(name, changes.smoke),
      ...changes,
      allowRecipeChange: options["allow-recipe-change"] ?? false,
      handleSignals: true,
      ...(json ? {} : { progress: process.stderr }),
    });
    const { recipe: _, suites: __, ...rest } = result;
    print(describe(result), rest);
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

function describe({ directory, step, stopped, skipped, values }: PretrainResult): string {
  const lines = Object.entries(values).map(([key, value]) => `${key} ${value.toPrecision(4)}`);
  if (skipped > 0) lines.push(`${skipped} samples could not be read and were skipped.`);
  if (stopped !== undefined) {
    lines.push(`Stopped at step ${step} (${stopped}); the same command goes on from there.`);
  }
  if (stopped !== "signal") lines.push(`Tower: ${directory}/model`);
  return lines.join("\n");
}
