import { RecipeError, UsageError } from "../errors.ts";
import { evaluate } from "../evaluate/evaluate-model.ts";
import type { Suite } from "../evaluate/run-suite.ts";
import { formatTable, metricsJson } from "../evaluate/table.ts";
import { setThreadCount } from "../torch/index.ts";
import { usableCores } from "../torch/threads.ts";
import { resolveSuites } from "../train/resolve-recipe.ts";
import { defineCommand, type Command } from "./command.ts";
import { loadFile } from "./load-file.ts";
import { parseSource, sourceOptions } from "./source-argument.ts";

const command: Command = defineCommand({
  name: "eval",
  summary:
    "Evaluates a model: zero-shot classification over classes, and retrieval both ways,\n" +
    "with bootstrap intervals beside chance.",
  usage: "<model> [source]",
  options: {
    suites: { type: "string", value: "<file>", help: "a recipe, or a JSON array of suites" },
    classes: { type: "string", value: "<file>", help: "JSON array of classes, for zero-shot" },
    answer: {
      type: "string",
      value: "<key>",
      help: "where a sample keeps its class; default label",
    },
    templates: { type: "string", choices: ["bare", "photo", "simple"], help: "default photo" },
    "batch-size": { type: "integer", value: "<n>", help: "pictures per forward pass; default 64" },
    ...sourceOptions,
  },
  examples: [
    "limn eval runs/first/model test.csv",
    "limn eval runs/first/model 'test-{000..003}.tar' --classes classes.json --templates bare",
    "limn eval runs/first/model --suites runs/first/recipe.json --json",
  ],
  async run({ options, operands, print, note }) {
    const [model = "", source] = operands;
    setThreadCount(usableCores());
    const suites = options.suites ? await readSuites(options.suites) : [suiteOf(source, options)];
    const results = await evaluate({
      model,
      suites,
      batchSize: options["batch-size"] ?? 64,
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

async function readSuites(file: string): Promise<Suite[]> {
  const value = await loadFile(file);
  const list = Array.isArray(value)
    ? (value as unknown)
    : (value as { evaluate?: { suites?: unknown } } | null)?.evaluate?.suites;
  const suites = resolveSuites(list);
  if (suites.length > 0) return suites;
  throw new RecipeError("evaluate.suites", `Expected suites in ${file} but received none; add one`);
}

interface TaskFlags {
  classes?: string;
  answer?: string;
  templates?: "bare" | "photo" | "simple";
}

function suiteOf(
  source: string | undefined,
  flags: TaskFlags & Parameters<typeof parseSource>[1],
): Suite {
  if (source === undefined) {
    throw new UsageError("Expected a source or --suites after the model but received neither.");
  }
  const { classes, answer = "label", templates = "photo" } = flags;
  const zeroShot = classes
    ? [{ kind: "zeroShot" as const, name: "zeroShot", classes, answer, templates }]
    : [];
  const { classes: _c, answer: _a, templates: _t, ...rest } = flags;
  return {
    name: "val",
    title: source,
    source: parseSource(source, rest),
    tasks: [...zeroShot, { kind: "retrieval", name: "retrieval" }],
  };
}
