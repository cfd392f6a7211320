/**
 * The model types of Hugging Face's layout that limn reads. A new one on known towers is a file of this
 * folder and a line in this list.
 */
import { align } from "./align-family.ts";
import { bert } from "./bert-family.ts";
import { clip } from "./clip-family.ts";
import type { HuggingFaceFamily } from "./family.ts";
import { siglip } from "./siglip-family.ts";
import { siglip2 } from "./siglip2-family.ts";
import { vit } from "./vit-family.ts";

export const huggingFaceFamilies: readonly HuggingFaceFamily[] = [
  clip,
  siglip,
  siglip2,
  align,
  vit,
  bert,
];
