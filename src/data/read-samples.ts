/** Reads every sample of a source, one after another, without the loader's threads. */
import { PieceReader, readImage, readText } from "./sources/read-sample.ts";
import type { SampleText } from "./sources/read-sample.ts";
import type { Problem, SampleRef, Source } from "./sources/source.ts";

/** A sample with its bytes and texts, or what is wrong with it, and the part that it came from. */
export type ReadSample = { part: number; index: number } & (
  { ref: SampleRef; image: Uint8Array; text: SampleText } | { problem: Problem }
);

/** In stored order, once. Bad samples come as problems; nothing here throws for one. */
export async function* readSamples(source: Source): AsyncGenerator<ReadSample> {
  const reader = new PieceReader();
  try {
    for (const [number, part] of source.parts.entries()) {
      let index = 0;
      for await (const { ref, problem } of part.read()) {
        const at = { part: number, index: index++ };
        yield problem === undefined
          ? { ...at, ...readOne(reader, ref, source) }
          : { ...at, problem };
      }
    }
  } finally {
    reader.close();
  }
}

function readOne(
  reader: PieceReader,
  ref: SampleRef,
  source: Source,
): { ref: SampleRef; image: Uint8Array; text: SampleText } | { problem: Problem } {
  try {
    const text = readText(reader, ref, source.reading);
    return { ref, text, image: readImage(reader, ref) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { problem: { file: ref.file, key: ref.key, reason } };
  }
}
