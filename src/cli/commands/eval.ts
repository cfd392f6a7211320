/** `limn eval`: zero-shot classification and retrieval of a model. */
import { evaluate } from "../../evaluate/evaluate-model.ts";
import { formatTable, metricsJson } from "../../evaluate/metric-table.ts";
import { defineCommand, type Command } from "../command.ts";
import { maxPixelsOf, maxPixelsOption } from "../options/max-pixels.ts";
import { chosenDevice, deviceOption, loadOptions, modelOptions } from "../options/model-options.ts";
import { sourceOptions } from "../options/source-argument.ts";
import { suitesOf } from "../options/suite-arguments.ts";
import { templateOption } from "../options/template-argument.ts";

const command: Command = defineCommand({
  name: "eval",
  summary:
    "Evaluates a model: zero-shot classification with --classes, else retrieval both ways,\n" +
    "with bootstrap intervals beside chance.",
  usage: "<model> [source]",
  options: {
    suites: { type: "string", value: "<file>", help: "a recipe, or a JSON array of suites" },
    classes: {
      type: "string",
      value: "<file>",
      help: "the classes, for zero-shot: JSON, or a text file with one in each line",
    },
    answer: {
      type: "string",
      value: "<key>",
      help: "where a sample keeps its class, by name or number; default label",
    },
    ...templateOption,
    retrieval: { type: "boolean", help: "with --classes, measure retrieval too" },
    "batch-size": {
      type: "integer",
      least: 1,
      value: "<n>",
      help: "pictures per forward pass; default 64",
    },
    ...maxPixelsOption,
    ...deviceOption,
    precision: { type: "string", choices: ["float32", "bfloat16"], help: "default float32" },
    ...sourceOptions,
    ...modelOptions,
  },
  examples: [
    "limn eval runs/first/model test.csv",
    "limn eval runs/first/model 'test-{000..003}.tar' --classes classes.json --templates bare",
    "limn eval runs/first/model 'wds_cars/test/*.tar' --classes wds_cars --templates wds_cars",
    "limn eval runs/first/model --suites runs/first/recipe.json --json",
  ],
  async run({ options, operands, print, note }) {
    const [model = "", source] = operands;
    const suites = await suitesOf(source, options);
    const results = await evaluate({
      model,
      load: loadOptions(options, note),
      suites,
      device: chosenDevice(options),
      precision: options.precision ?? "float32",
      batchSize: options["batch-size"] ?? 64,
      ...maxPixelsOf(options),
      onSuite: (title) => note(`Evaluating ${title}`),
    });
    const text = results.map(({ title, tasks }) =>
      formatTable(
        tasks.flatMap(({ rows }) => rows),
        { title },
      ),
    );
    const rows = results.flatMap(({ tasks }) => tasks.flatMap((task) => task.rows));
    print(text.join("\n\n"), metricsJson(rows));
  },
});
export default command;
