/** `limn info`: architecture, parameters, preprocessing and tokenizer of a model. */
import { describeModel, type ModelDescription } from "../../checkpoints/describe-model.ts";
import { templatesText } from "../../text/templates.ts";
import { defineCommand, type Command } from "../command.ts";
import { loadOptions, modelOptions } from "../options/model-options.ts";

const command: Command = defineCommand({
  name: "info",
  summary: "Shows a model's or tower's folder: architecture, sizes, preprocessing and tokenizer.",
  usage: "<model>",
  options: modelOptions,
  examples: ["limn info runs/first/model", "limn info hf://google/siglip-base-patch16-224 --json"],
  async run({ options, operands, print, note }) {
    const { hub, ...given } = loadOptions(options, note);
    const description = await describeModel(operands[0] ?? "", given, hub);
    print(format(forPeople(description)), description);
  },
});
export default command;

function forPeople(description: ModelDescription): object {
  const { templates, holds } = description;
  if (holds !== "pair") return description;
  const shown = templates === null ? "none of its own: photo is used" : templatesText(templates);
  return { ...description, templates: shown };
}

function format(description: object): string {
  return flatten(description)
    .map(([key, value]) => `${key.padEnd(34)} ${value}`)
    .join("\n");
}

function flatten(value: object, prefix = ""): [string, string][] {
  return Object.entries(value).flatMap(([key, inner]): [string, string][] => {
    const path = prefix === "" ? key : `${prefix}.${key}`;
    if (Number.isInteger(inner)) return [[path, (inner as number).toLocaleString("en-US")]];
    if (inner === null) return [[path, "none"]];
    if (Array.isArray(inner) && !inner.some(isObject)) return [[path, inner.join(", ")]];
    if (isObject(inner)) return flatten(inner, path);
    return [[path, String(inner)]];
  });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
