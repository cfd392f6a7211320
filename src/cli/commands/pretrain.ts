/** `limn pretrain`: train one tower, to be locked or fine-tuned in a pair. */
import { pretrain, type PretrainResult } from "../../train/tower/pretrain-tower.ts";
import { resolvePretraining } from "../../train/recipe/pretrain-recipe.ts";
import { defineCommand, type Command } from "../command.ts";
import { loadFile } from "../options/load-file.ts";
import { runArguments, runOptions } from "../options/run-options.ts";
import { describeEnd, skippedText } from "../print/run-outcome.ts";

const command: Command = defineCommand({
  name: "pretrain",
  summary:
    "Trains one tower, to be locked or fine-tuned in a pair: an image tower to name classes,\n" +
    "or a causal text tower to predict the next token of captions. Goes on where a run stopped.",
  usage: "<recipe>",
  options: runOptions,
  examples: [
    "limn pretrain classify.ts --workdir runs/image-tower",
    "limn train lit.ts --set towers.image.pretrained=runs/image-tower/model",
  ],
  async run({ options, operands, print, json }) {
    const recipe = await loadFile(operands[0] ?? "");
    const { set = [], smoke = false } = options;
    const { name } = resolvePretraining(recipe, { set, smoke });
    const result = await pretrain({ recipe, ...runArguments(options, name, json) });
    const { recipe: _, suites: __, ...rest } = result;
    print(describe(result), rest);
    return result.signal === undefined ? 0 : 128 + result.signal;
  },
});
export default command;

function describe(result: PretrainResult): string {
  const { directory, stopped, skipped, values } = result;
  const lines = Object.entries(values).map(([key, value]) => `${key} ${value.toPrecision(4)}`);
  if (skipped > 0) lines.push(`${skippedText(skipped)}.`);
  lines.push(...describeEnd(result));
  if (stopped !== "signal") lines.push(`Tower: ${directory}/model`);
  return lines.join("\n");
}
