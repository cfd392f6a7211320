/** `limn info`: architecture, parameters, preprocessing and tokenizer of a model; what precisions cost. */
import { describeModel } from "../../checkpoints/describe-model.ts";
import { UsageError } from "../../errors.ts";
import type { PrecisionReport } from "../../inference/measure-precisions.ts";
import { defineCommand, type Command, type OptionValues } from "../command.ts";
import { describedModel } from "../print/described-model.ts";
import { chosenDevice, loadOptions, modelOptions, useOptions } from "../options/model-options.ts";

const measuring = {
  measure: {
    type: "boolean",
    help: "each precision's speed, memory and distance from float32 on this machine",
  },
  pictures: { type: "string", value: "<path>", help: "to measure with; default 32 of limn's own" },
  labels: { type: "string", value: "<a,b,c>", help: "to measure with; default 24 of limn's own" },
  device: useOptions.device,
} as const;

const command: Command = defineCommand({
  name: "info",
  summary: "Shows a model's or tower's folder: architecture, sizes, preprocessing and tokenizer.",
  usage: "<model>",
  options: { ...measuring, ...modelOptions },
  examples: [
    "limn info runs/first/model",
    "limn info hf://google/siglip-base-patch16-224 --json",
    "limn info runs/first/model --measure --pictures photos --labels 'a cat,a dog'",
  ],
  async run({ options, operands, print, note }) {
    const [model = ""] = operands;
    const unused = (["pictures", "labels", "device"] as const).find((name) => name in options);
    if (!options.measure && unused !== undefined) {
      throw new UsageError(`Expected --measure with --${unused} but received none; add it.`);
    }
    const { hub, ...given } = loadOptions(options, note);
    const description = await describeModel(model, given, hub);
    const shown = describedModel(description);
    if (!options.measure) return print(shown, description);
    if (description.holds !== "pair") {
      throw new UsageError(`Expected a pair for --measure but ${model} holds a tower alone.`);
    }
    const { precisionTable } = await import("../print/precision-table.ts");
    const measured = await measure(model, options, note);
    print(`${shown}\n\n${precisionTable(measured)}`, { ...description, measured });
  },
});
export default command;

type Options = OptionValues<typeof measuring & typeof modelOptions>;

/** Pictures of a source that are looked at. */
const MOST_PICTURES = 256;

/** Loads the engine, which describing a model does without. */
async function measure(
  model: string,
  options: Options,
  note: (text: string) => void,
): Promise<PrecisionReport> {
  const { measurePrecisions } = await import("../../inference/measure-precisions.ts");
  const { loadModel } = await import("../../inference/load-model.ts");
  const { keepFreedMemory } = await import("../../torch/index.ts");
  const { takePictures } = await import("../options/picture-operands.ts");
  const { labelsOf } = await import("../options/classify-labels.ts");
  const { pictures, labels } = options;
  const device = chosenDevice(options);
  const load = loadOptions(options, note);
  keepFreedMemory();
  return measurePrecisions((precision) => loadModel(model, { ...load, device, precision }), {
    device,
    pictures: pictures === undefined ? undefined : await takePictures(pictures, MOST_PICTURES),
    labels: labels === undefined ? undefined : (labelsOf({ labels }) as string[]),
    onPrecision: (precision) => note(`Measuring ${precision}`),
  });
}
