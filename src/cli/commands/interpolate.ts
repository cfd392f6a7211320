/** `limn interpolate`: a model between its original and its fine-tuned weights. */
import { join } from "node:path";

import { UsageError } from "../../errors.ts";
import { interpolateWeights } from "../../checkpoints/interpolate-weights.ts";
import { localModel } from "../../checkpoints/local-model.ts";
import { defineCommand, type Command } from "../command.ts";
import { hubFetching, hubOptions } from "../options/model-options.ts";

const command: Command = defineCommand({
  name: "interpolate",
  summary:
    "Writes the model between its original weights and its fine-tuned ones (WiSE-FT): alpha 0 is the\n" +
    "original, 1 the fine-tuned; with several, one folder each, alpha-<value>, in the folder of --out.",
  usage: "<zero-shot> <fine-tuned>",
  options: {
    alpha: {
      type: "number",
      least: 0,
      most: 1,
      multiple: true,
      value: "<share>",
      help: "share of the fine-tuned weights; default 0.5",
    },
    out: { type: "string", value: "<folder>", help: "where the model goes; required" },
    ...hubOptions,
  },
  examples: [
    "limn interpolate models/clip runs/tuned/model --alpha 0.5 --out models/tuned-0.5",
    "limn interpolate models/clip runs/tuned/model --alpha 0.25 --alpha 0.75 --out models/between",
  ],
  async run({ options, operands, print, note }) {
    const { alpha: alphas = [0.5], out } = options;
    if (out === undefined) {
      throw new UsageError("Expected --out <folder> but received nothing; name a folder.");
    }
    const fetching = hubFetching(options, note);
    const zeroShot = await localModel(operands[0] ?? "", fetching);
    const fineTuned = await localModel(operands[1] ?? "", fetching);
    const written: { alpha: number; folder: string }[] = [];
    for (const alpha of new Set(alphas)) {
      const folder = alphas.length === 1 ? out : join(out, `alpha-${alpha}`);
      note(`alpha ${alpha}`);
      await interpolateWeights(zeroShot, fineTuned, { alpha, out: folder });
      written.push({ alpha, folder });
    }
    print(written.map(({ alpha, folder }) => `alpha ${alpha}: ${folder}`).join("\n"), written);
  },
});
export default command;
