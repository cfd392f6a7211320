/** `limn tokenizer train`: train a vocabulary on your captions. */
import { PieceReader, readText } from "../../data/sources/read-sample.ts";
import { openSource } from "../../data/sources/open-source.ts";
import type { Source } from "../../data/sources/source.ts";
import { trainTokenizer } from "../../text/index.ts";
import { counted, UsageError } from "../../errors.ts";
import { defineCommand, type Command } from "../command.ts";
import { noteColumns, parseSource, sourceOptions } from "../options/source-argument.ts";

const command: Command = defineCommand({
  name: "tokenizer train",
  summary: "Trains a vocabulary on the captions of a source and writes it as tokenizer.json.",
  usage: "<source> <folder>",
  options: {
    "vocab-size": { type: "integer", value: "<n>", help: "ids at most (required)" },
    kind: { type: "string", choices: ["bpe", "wordpiece", "unigram"], help: "default bpe" },
    "context-length": { type: "integer", value: "<n>", help: "ids of a caption; default 77" },
    ...sourceOptions,
  },
  examples: [
    "limn tokenizer train shards tokenizer --vocab-size 8000",
    "limn tokenizer train captions.csv tokenizer --vocab-size 16000 --kind unigram",
  ],
  async run({ options, operands, print, note }) {
    const [from = "", folder = ""] = operands;
    const vocabSize = options["vocab-size"];
    if (vocabSize === undefined) {
      throw new UsageError("Expected --vocab-size <n> but received nothing; 8000 is a start.");
    }
    const spec = parseSource(from, options);
    noteColumns(spec, note);
    const source = await openSource(spec);
    const count = { captions: 0 };
    const tokenizer = await trainTokenizer({
      texts: captionsOf(source, count),
      vocabSize,
      folder,
      ...(options.kind && { kind: options.kind }),
      ...(options["context-length"] !== undefined && { contextLength: options["context-length"] }),
    });
    const { captions } = count;
    const result = { folder, vocabSize: tokenizer.vocabSize, captions };
    print(
      `${counted(tokenizer.vocabSize, "id")} from ${counted(captions, "caption")} in ${folder}`,
      result,
    );
  },
});
export default command;

/** Images are not read; a sample whose text is unreadable is left out. */
async function* captionsOf(source: Source, count: { captions: number }): AsyncGenerator<string> {
  const reader = new PieceReader();
  try {
    for (const part of source.parts) {
      for await (const { ref } of part.read()) {
        if (ref === undefined) continue;
        for (const caption of textsOf(reader, ref, source)) {
          count.captions += 1;
          yield caption;
        }
      }
    }
  } finally {
    reader.close();
  }
}

function textsOf(
  reader: PieceReader,
  ref: Parameters<typeof readText>[1],
  source: Source,
): string[] {
  try {
    return readText(reader, ref, source.reading).captions;
  } catch {
    return [];
  }
}
