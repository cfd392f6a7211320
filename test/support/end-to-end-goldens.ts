/** The tiny pairs of test/goldens/models that have a tokenizer and preprocessing. For tests. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { GivenFacts } from "../../src/checkpoints/layout.ts";

const goldens = fileURLToPath(new URL("../../../test/goldens", import.meta.url));
const root = join(goldens, "models");

/** Every pair: its folder, and the file in it where the layout is one file. */
export const endToEndPairs = [
  { name: "clip", layout: "Hugging Face CLIPModel", family: "CLIP" },
  { name: "siglip", layout: "Hugging Face SiglipModel", family: "SigLIP" },
  { name: "siglip2", layout: "Hugging Face SiglipModel", family: "SigLIP" },
  { name: "siglip2-naflex", layout: "Hugging Face Siglip2Model", family: "SigLIP 2" },
  { name: "align", layout: "Hugging Face AlignModel", family: "ALIGN" },
  { name: "open-clip-vit", layout: "open_clip", family: "CLIP" },
  { name: "open-clip-resnet", layout: "open_clip", family: "CLIP" },
  { name: "open-clip-siglip", layout: "open_clip", family: "SigLIP" },
  {
    name: "open-clip-checkpoint",
    file: "epoch_3.pt",
    layout: "open_clip checkpoint",
    family: "CLIP",
  },
  { name: "openai", file: "tiny.pt", layout: "OpenAI", family: "CLIP" },
] as const satisfies readonly { name: string; file?: string; layout: string; family: string }[];

export type EndToEndPair = (typeof endToEndPairs)[number];

/** Where the pair lies. */
export function endToEndPath(pair: EndToEndPair): string {
  return "file" in pair ? join(root, pair.name, pair.file) : join(root, pair.name);
}

export const endToEndPictures = ["odd", "wide", "high"].map((name) =>
  join(goldens, "pictures", `${name}.png`),
);

/** end-to-end.json, as test/goldens/generate/end-to-end.py writes it. */
export interface EndToEnd {
  rtol: number;
  atol: number;
  texts: string[];
  /** What the files do not say. */
  given?: Pick<GivenFacts, "activation" | "evaluationTransform">;
  kind: "softmax" | "sigmoid";
  imageEmbeddings: Float32Array;
  textEmbeddings: Float32Array;
  /** [pictures, texts] */
  logits: Float32Array;
  probabilities: Float32Array;
}

const arrays = ["imageEmbeddings", "textEmbeddings", "logits", "probabilities"] as const;

export function endToEnd({ name }: EndToEndPair): EndToEnd {
  const json = JSON.parse(readFileSync(join(root, name, "end-to-end.json"), "utf8")) as EndToEnd;
  const floats = (text: unknown): Float32Array =>
    new Float32Array(Uint8Array.from(Buffer.from(String(text), "base64")).buffer);
  return { ...json, ...Object.fromEntries(arrays.map((key) => [key, floats(json[key])])) };
}
