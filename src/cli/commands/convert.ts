/** `limn convert`: write a model in another layout. */
import { counted } from "../../errors.ts";
import { checkModelTarget } from "../../checkpoints/model-folder.ts";
import { checkApart } from "../../files/atomic-folder.ts";
import { loadModel } from "../../inference/load-model.ts";
import { saveLayouts } from "../../checkpoints/layouts/writers.ts";
import { defineCommand, type Command } from "../command.ts";
import { loadOptions, modelOptions } from "../options/model-options.ts";

const cropNote =
  "open_clip rounds a crop of half a pixel to the even side, where this model's library rounds down: it " +
  "cuts some pictures a pixel elsewhere. limn reads the folder as the model was.";

const tokensNote =
  "open_clip's own tokenizer does not know the tokens that were added to this model's: it reads texts with them " +
  "as other ids. limn reads the folder as the model was.";

const command: Command = defineCommand({
  name: "convert",
  summary:
    "Writes a model in another layout: weights, configuration, preprocessing and tokenizer.\n" +
    "Weights keep their values; --precision changes how they are stored.",
  usage: "<model> <folder>",
  options: {
    to: {
      type: "string",
      choices: saveLayouts,
      help: "default: Hugging Face's where transformers has the model, else limn's own",
    },
    precision: {
      type: "string",
      choices: ["float32", "float16", "bfloat16"],
      help: "default float32",
    },
    ...modelOptions,
  },
  examples: [
    "limn convert ViT-B-32.pt converted --tokenizer bpe_simple_vocab_16e6.txt.gz",
    "limn convert hf://openai/clip-vit-base-patch32 converted --to open-clip",
    "limn convert open_clip_folder converted --to hugging-face --precision float16",
  ],
  async run({ options, operands, print, note }) {
    const [from = "", folder = ""] = operands;
    checkApart(folder, [from]);
    await checkModelTarget(folder);
    const loaded = await loadModel(from, { ...loadOptions(options, note), prepare: false });
    try {
      const { to, precision } = options;
      await loaded.save(folder, {
        ...(to === undefined ? {} : { layout: to }),
        ...(precision === undefined ? {} : { dtype: precision }),
      });
      if (to === "open-clip") {
        const { description } = loaded.tokenizer;
        if (loaded.evaluationTransform.cropRounding === "down") note(cropNote);
        if (description.kind === "clip-bpe" && description.addedTokens !== undefined) {
          note(tokensNote);
        }
      }
      const parameters = loaded.pair.parameterCount();
      print(`${loaded.layout}, ${counted(parameters, "parameter")}, written to ${folder}`, {
        from,
        folder,
        layout: to ?? null,
        family: loaded.family,
        parameters,
      });
    } finally {
      loaded.dispose();
    }
  },
});
export default command;
