/** `limn classify`: name pictures among labels of your own. */
import { benchmarkTemplatesOf } from "../../evaluate/benchmark-folder.ts";
import { loadModel } from "../../inference/load-model.ts";
import { chooseTemplates } from "../../text/templates.ts";
import { classificationText, type NamedResult } from "../print/outcomes.ts";
import { labelsOf } from "../options/classify-labels.ts";
import { keepFreedMemory } from "../../torch/index.ts";
import { defineCommand, type Command } from "../command.ts";
import { chosenUse, loadOptions, modelOptions, useOptions } from "../options/model-options.ts";
import { templateOption, templatesOf } from "../options/template-argument.ts";
import { operandOptions, pictureOperands, unreadablePicture } from "../options/picture-operands.ts";

const command: Command = defineCommand({
  name: "classify",
  summary: "Names pictures: zero-shot classification among labels of your own.",
  usage: "<model> <pictures...>",
  options: {
    labels: { type: "string", value: "<a,b,c>", help: "the labels, separated by commas" },
    classes: {
      type: "string",
      value: "<file>",
      help: "JSON, or a text file with a label in each line",
    },
    ...templateOption,
    probabilities: {
      type: "string",
      choices: ["softmax", "sigmoid"],
      help: "over the labels, or of each by itself; default as the model was trained",
    },
    top: { type: "integer", least: 1, value: "<n>", help: "labels shown per picture; default 5" },
    "batch-size": { type: "integer", least: 1, value: "<n>", help: "default by the memory" },
    "on-error": { type: "string", choices: ["skip", "fail"], help: "default fail" },
    ...operandOptions,
    ...useOptions,
    ...modelOptions,
  },
  examples: [
    'limn classify runs/first/model cat.jpg --labels "cat,dog"',
    "limn classify runs/first/model photos --classes animals.txt --top 3",
    "limn classify runs/first/model 'test-{000..003}.tar' --classes classes.json --json",
    'limn classify ViT-B-32.pt cat.jpg --labels "cat,dog" --tokenizer bpe_simple_vocab_16e6.txt.gz',
  ],
  async run({ options, operands, print, note }) {
    const [folder = "", ...rest] = operands;
    const labels = labelsOf(options);
    const given = templatesOf(options.templates);
    const data = benchmarkTemplatesOf(options.classes);
    const load = loadOptions(options, note);
    const pictures = await pictureOperands(rest, options);
    keepFreedMemory();
    const model = await loadModel(folder, { ...load, ...chosenUse(options, note) });
    try {
      const { probabilities, top = 5 } = options;
      const prompts = chooseTemplates({ given, model: model.templates, data });
      const chosen = probabilities === undefined ? {} : { probabilities };
      const classifier = await model.zeroShotClassifier(labels, { ...prompts, ...chosen });
      const results: NamedResult[] = [];
      const stream = classifier.classify(pictures.stream(), {
        topK: Math.min(top, classifier.labels.length),
        // The stream knows positions only; the error is to name the picture.
        onError: "skip",
        ...pictures.reading,
        ...(options["batch-size"] && { batchSize: options["batch-size"] }),
      });
      for await (const { index, ...result } of stream) {
        const picture = pictures.name(index);
        if (result.problem !== undefined && options["on-error"] !== "skip") {
          throw unreadablePicture(picture, result.problem);
        }
        results.push({ picture, ...result });
      }
      const facts = { model: folder, probabilities: classifier.probabilities, ...prompts };
      print(classificationText(classifier, prompts, results), { ...facts, pictures: results });
    } finally {
      model.dispose();
    }
  },
});
export default command;
