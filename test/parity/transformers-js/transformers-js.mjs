/** transformers.js on the same folder: its own processor, tokenizer and ONNX Runtime. */
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const home = process.env["TRANSFORMERS_JS"] ?? import.meta.dirname;
const require = createRequire(path.join(path.resolve(home), "package.json"));
const library = await import(pathToFileURL(require.resolve("@huggingface/transformers")).href);
const { AutoProcessor, AutoTokenizer, RawImage, env } = library;
env.allowRemoteModels = false;

export const version = String(env.version);

/** Its classes for one tower, and the names of their outputs. */
const classes = {
  clip: [
    "CLIPVisionModelWithProjection",
    "image_embeds",
    "CLIPTextModelWithProjection",
    "text_embeds",
  ],
  siglip2: ["SiglipVisionModel", "pooler_output", "SiglipTextModel", "pooler_output"],
};

/**
 * @param {{ folder: string, files: string[], texts: string[] }} inputs
 * @returns {Promise<import("./compare.mjs").Results>}
 */
export async function measureTransformersJs({ folder, files, texts }) {
  const name = path.basename(folder);
  env.localModelPath = `${path.dirname(folder)}/`;
  const [imageClass = "", imageOutput = "", textClass = "", textOutput = ""] =
    classes[/** @type {keyof typeof classes} */ (name)];
  const processor = await AutoProcessor.from_pretrained(name);
  const images = await Promise.all(files.map((file) => RawImage.read(file)));
  const pixels = (await processor(images)).pixel_values;
  const imageModel = await library[imageClass].from_pretrained(name, { dtype: "fp32" });
  const image = (await imageModel({ pixel_values: pixels }))[imageOutput].normalize(2, -1).data;

  const tokenizer = await AutoTokenizer.from_pretrained(name);
  const max_length = name === "clip" ? 77 : 64;
  const textModel = await library[textClass].from_pretrained(name, { dtype: "fp32" });
  const rows = [];
  const tokens = [];
  for (let at = 0; at < texts.length; at += 50) {
    const part = texts.slice(at, at + 50);
    const ids = tokenizer(part, { padding: "max_length", max_length, truncation: true }).input_ids;
    tokens.push(...Array.from(ids.data, Number));
    rows.push(...(await textModel({ input_ids: ids }))[textOutput].normalize(2, -1).data);
  }
  return {
    pixels: pixels.data,
    tokens: Int32Array.from(tokens),
    image,
    text: Float32Array.from(rows),
  };
}
