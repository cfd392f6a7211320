/** `limn/evaluate`: retrieval and zero-shot classification on plain arrays, tables, classifier weights. */
export { classifierWeights } from "../inference/classifier-weights.ts";
export { retrieval, type RetrievalResult } from "../evaluate/retrieval.ts";
export { zeroShotClassification, type ZeroShotResult } from "../evaluate/zero-shot.ts";
