/** The model types of Hugging Face's layout that limn reads. */
import { clip } from "./clip.ts";
import type { HuggingFaceFamily } from "./family.ts";

export const huggingFaceFamilies: readonly HuggingFaceFamily[] = [clip];
