/**
 * The model types of Hugging Face's layout that limn reads. A new one on known towers is a file of this
 * folder and a line in this list.
 */
import { align } from "./align.ts";
import { bert } from "./bert.ts";
import { clip } from "./clip.ts";
import type { HuggingFaceFamily } from "./family.ts";
import { siglip } from "./siglip.ts";
import { siglip2 } from "./siglip2.ts";
import { vit } from "./vit.ts";

export const huggingFaceFamilies: readonly HuggingFaceFamily[] = [
  clip,
  siglip,
  siglip2,
  align,
  vit,
  bert,
];
