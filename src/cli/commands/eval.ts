/** `limn eval`: zero-shot classification and retrieval of a model. */
import { evaluate } from "../../evaluate/evaluate-model.ts";
import { keepFreedMemory } from "../../torch/index.ts";
import { defineCommand, type Command } from "../command.ts";
import { maxPixelsOf, maxPixelsOption } from "../options/max-pixels.ts";
import { chosenUse, loadOptions, modelOptions, useOptions } from "../options/model-options.ts";
import { noteColumns, sourceOptions } from "../options/source-argument.ts";
import { suitesOf, taskOptions } from "../options/suite-arguments.ts";
import { suitesJson, suitesText } from "../print/measured-suites.ts";

const command: Command = defineCommand({
  name: "eval",
  summary:
    "Evaluates a model: zero-shot classification with --classes, or with the classes beside\n" +
    "CLIP_benchmark's shards, else retrieval both ways; with bootstrap intervals beside chance.",
  usage: "<model> [source]",
  options: {
    suites: { type: "string", value: "<file>", help: "a recipe, or a JSON array of suites" },
    ...taskOptions,
    "batch-size": {
      type: "integer",
      least: 1,
      value: "<n>",
      help: "pictures per forward pass; default 64",
    },
    ...maxPixelsOption,
    ...useOptions,
    ...sourceOptions,
    ...modelOptions,
  },
  examples: [
    "limn eval runs/first/model test.csv",
    "limn eval runs/first/model 'test-{000..003}.tar' --classes classes.json --templates bare",
    "limn eval runs/first/model wds_cars --templates wds_cars",
    "limn eval runs/first/model hf://datasets/clip-benchmark/wds_cars",
    'limn eval runs/first/model icons.csv --classes names.txt --templates "an icon of {}" --unknown-labels skip',
    "limn eval runs/first/model --suites runs/first/recipe.json --json",
  ],
  async run({ options, operands, print, note }) {
    const [model = "", source] = operands;
    const suites = await suitesOf(source, options, note);
    for (const suite of suites) noteColumns(suite.source, note, { records: true });
    keepFreedMemory();
    const results = await evaluate({
      model,
      load: loadOptions(options, note),
      suites,
      ...chosenUse(options, note),
      batchSize: options["batch-size"] ?? 64,
      ...maxPixelsOf(options),
      onSuite: (title) => note(`Evaluating ${title}`),
    });
    print(suitesText(results), suitesJson(results));
  },
});
export default command;
