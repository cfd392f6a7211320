/** `limn embed`: embed a source's pictures into .npy files and Parquet metadata. */
import { embedSource } from "../../embed/embed-source.ts";
import { sampleIn, UsageError } from "../../errors.ts";
import { loadModel } from "../../inference/load-model.ts";
import { catchSignals, keepFreedMemory, pendingSignal } from "../../torch/index.ts";
import { defineCommand, type Command } from "../command.ts";
import { maxPixelsOf, maxPixelsOption } from "../options/max-pixels.ts";
import { chosenUse, loadOptions, modelOptions, useOptions } from "../options/model-options.ts";
import { describeEmbedded, describeEmbedding } from "../print/outcomes.ts";
import { progressLine } from "../print/progress-line.ts";
import { noteColumns, parseSource, sourceOptions } from "../options/source-argument.ts";

const command: Command = defineCommand({
  name: "embed",
  summary:
    "Embeds a source's pictures into clip-retrieval's layout: .npy files and Parquet metadata.\n" +
    "Ctrl-C stops it; the same command goes on at the first unfinished shard.",
  usage: "<model> <source>",
  options: {
    out: { type: "string", value: "<folder>", help: "where the embeddings go; required" },
    texts: { type: "boolean", help: "embed each picture's first caption too" },
    "shard-size": { type: "integer", least: 1, value: "<n>", help: "rows; default 1000000" },
    store: { type: "string", choices: ["float16", "float32"], help: "numbers; default float16" },
    "batch-size": { type: "integer", least: 1, value: "<n>", help: "default by the memory" },
    workers: { type: "integer", least: 1, value: "<n>", help: "decoding threads" },
    "on-error": { type: "string", choices: ["skip", "fail"], help: "default fail" },
    ...maxPixelsOption,
    ...useOptions,
    ...sourceOptions,
    ...modelOptions,
  },
  examples: [
    "limn embed runs/first/model photos --out embeddings",
    "limn embed runs/first/model 'shards/{000..031}.tar' --out embeddings --texts --on-error skip",
  ],
  async run({ options, operands, print, note }) {
    const [folder = "", from = ""] = operands;
    const source = parseSource(from, options);
    noteColumns(source, note, { records: true });
    const given = loadOptions(options, note);
    if (options.out === undefined) {
      throw new UsageError("Expected --out <folder> but received nothing; name a folder.");
    }
    keepFreedMemory();
    const model = await loadModel(folder, { ...given, ...chosenUse(options, note) });
    const progress = progressLine(process.stderr, describeEmbedding);
    catchSignals(true);
    try {
      const result = await embedSource({
        ...{ model, source, folder: options.out },
        texts: options.texts ?? false,
        ...(options["shard-size"] && { shardSize: options["shard-size"] }),
        ...(options.store && { store: options.store }),
        ...(options["batch-size"] && { batchSize: options["batch-size"] }),
        ...(options.workers && { workers: options.workers }),
        ...maxPixelsOf(options),
        ...(options["on-error"] && { onError: options["on-error"] }),
        onProgress: progress.show,
        shouldStop: () => pendingSignal() !== 0,
      });
      progress.end();
      for (const { file, key, reason } of result.badSamples.slice(0, 10)) {
        note(`left out ${sampleIn(file, key)}: ${reason}`);
      }
      print(describeEmbedded(result), result);
      if (!result.complete) return 128 + pendingSignal();
    } finally {
      progress.end();
      catchSignals(false);
      model.dispose();
    }
    return 0;
  },
});
export default command;
