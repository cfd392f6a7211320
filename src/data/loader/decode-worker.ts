/** A decode worker of the loader: turns references into pixels and tokens. Knows nothing about batches. */
import { workerData } from "node:worker_threads";
import { createRandom } from "../../arrays/random.ts";
import { readingReason } from "../../files/regular-file.ts";
import { createTokenizer, type Tokenizer } from "../../text/index.ts";
import { serveDecoding } from "../image/decoder-pool.ts";
import { applyTrainingTransform } from "../image/index.ts";
import { isNaflex, type PictureTransform, preparePicture } from "../image/picture-cell.ts";
import { PieceReader, readImage, readText } from "../sources/read-sample.ts";
import type { ReadingOptions } from "../sources/source.ts";
import { pixelBytes, type ResolvedOptions } from "./options.ts";
import type { Decoded, DecoderData, DecoderReady, DecodeTask } from "./protocol.ts";

interface SampleDecoderOptions {
  options: ResolvedOptions;
  reading: ReadingOptions;
  tokenizer: Tokenizer | undefined;
}

class SampleDecoder {
  readonly #reader: PieceReader = new PieceReader();
  readonly #given: SampleDecoderOptions;

  constructor(given: SampleDecoderOptions) {
    this.#given = given;
  }

  /**
   * Decodes one sample into `pixels`, a cell or empty. A sample that cannot be used gives its reason.
   * The outcome depends on the task alone, not on what this worker did before.
   */
  async decode(task: DecodeTask, pixels: Uint8Array): Promise<Decoded> {
    const { ref } = task;
    try {
      const text = readText(this.#reader, ref, this.#given.reading);
      const captions = this.#choose(text.captions, task);
      if (this.#given.tokenizer !== undefined && captions.length === 0) {
        return { reason: "it has no caption" };
      }
      const { images, transform } = this.#given.options;
      if (images === "decode" && transform !== undefined) {
        await this.#decodePixels(transform, task, pixels);
      }
      const rows = this.#given.tokenizer?.encodeBatch(captions);
      const tokens = rows?.tokens ?? new Int32Array(0);
      const lengths = rows?.lengths ?? new Int32Array(0);
      // Training has no use for it, and it would travel with every batch.
      const meta = this.#given.options.captions === "together" ? text.meta : undefined;
      return { captions, tokens, lengths, label: text.label, meta };
    } catch (error) {
      return { reason: readingReason(error) };
    }
  }

  close(): void {
    this.#reader.close();
  }

  #choose(captions: string[], { epoch, part, index, caption }: DecodeTask): string[] {
    const { captions: mode, seed } = this.#given.options;
    if (mode === "together" || captions.length === 0) return captions;
    if (mode === "first") return captions.slice(0, 1);
    if (mode === "all") return captions.slice(caption ?? 0, (caption ?? 0) + 1);
    const chosen = createRandom([seed, "caption", epoch, part, index]).integer(captions.length);
    return captions.slice(chosen, chosen + 1);
  }

  async #decodePixels(
    transform: PictureTransform,
    task: DecodeTask,
    out: Uint8Array,
  ): Promise<void> {
    const { augmentation, seed, maxPixels, source } = this.#given.options;
    const bytes = readImage(this.#reader, task.ref);
    const at = { source: task.ref.file, key: task.ref.key };
    // Options with both are refused.
    if (augmentation === undefined || isNaflex(transform)) {
      await preparePicture(bytes, transform, { at, out, maxPixels, svg: source.svg });
      return;
    }
    const { epoch, part, index, caption } = task;
    const random = createRandom([seed, "augment", epoch, part, index, caption ?? -1]);
    const { imageSize } = transform;
    const svg = source.svg === undefined ? {} : { svg: source.svg };
    const settings = { at, out, maxPixels, ...svg };
    await applyTrainingTransform(bytes, { imageSize, augmentation }, random, settings);
  }
}

const { options, reading: given, cells } = workerData as DecoderData;
// Training has no use for records, and reads no file that only they need.
const withoutNpy = options.captions !== "together";
const reading: ReadingOptions = { ...given, floats: options.floats, withoutNpy };
const cellBytes = pixelBytes(options);

serveDecoding<DecodeTask, Decoded, DecoderReady>(async () => {
  const { tokenizer: description } = options;
  const tokenizer = description === undefined ? undefined : await createTokenizer(description);
  const decoder = new SampleDecoder({ options, reading, tokenizer });
  return {
    ready: { contextLength: tokenizer?.contextLength ?? 0 },
    decode: (task) => decoder.decode(task, new Uint8Array(cells, task.cell * cellBytes, cellBytes)),
    close: () => decoder.close(),
  };
});
