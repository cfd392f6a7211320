/** Reads all of a file of torch.save, as far as it lets itself be read. */
import { memorySource } from "../../dist/src/checkpoints/weights/byte-source.js";
import { torchFileIn } from "../../dist/src/checkpoints/weights/pytorch/torch-file.js";
import { readAll } from "./weights.mjs";

/** @param {Buffer} bytes */
export function readTorch(bytes) {
  const torch = torchFileIn(memorySource("fuzz.pt", bytes));
  /** @type {unknown} */
  let refused;
  for (const key of torch.keys().slice(0, 50)) {
    try {
      torch.value([key]);
    } catch (error) {
      if (!isExpected(error)) throw error;
      refused = error;
    }
    if (torch.hasWeights([key])) readAll(torch.weights([key]));
  }
  if (torch.keys().includes("state_dict") && refused) return;
  readAll(torch.weights());
}

/** @param {unknown} error */
function isExpected(error) {
  return error instanceof Error && error.name === "CheckpointError";
}
