/** Turns a reference into pixels and tokens. Runs in a decode worker; knows nothing of batches. */
import { applyTrainingTransform } from "../image/index.ts";
import { isNaflex, type PictureTransform, preparePicture } from "../image/picture-cell.ts";
import { createRandom } from "../../arrays/random.ts";
import { PieceReader, readImage, readText } from "../sources/read-sample.ts";
import type { ReadingOptions } from "../sources/source.ts";
import type { Tokenizer } from "../../text/index.ts";
import type { ResolvedOptions } from "./options.ts";
import type { DecodeTask, Decoded } from "./protocol.ts";

export interface SampleDecoderOptions {
  options: ResolvedOptions;
  reading: ReadingOptions;
  tokenizer: Tokenizer | undefined;
}

export class SampleDecoder {
  private readonly reader: PieceReader = new PieceReader();
  private readonly given: SampleDecoderOptions;

  constructor(given: SampleDecoderOptions) {
    this.given = given;
  }

  /**
   * Decodes one sample into `pixels`, a cell or empty. A sample that cannot be used gives its reason.
   * The outcome depends on the task alone, not on what this worker did before.
   */
  async decode(task: DecodeTask, pixels: Uint8Array): Promise<Decoded> {
    const { ref } = task;
    try {
      const text = readText(this.reader, ref, this.given.reading);
      const captions = this.choose(text.captions, task);
      if (this.given.tokenizer !== undefined && captions.length === 0) {
        return { reason: "it has no caption" };
      }
      const { images, transform } = this.given.options;
      if (images === "decode" && transform !== undefined) {
        await this.decodePixels(transform, task, pixels);
      }
      const rows = this.given.tokenizer?.encodeBatch(captions);
      const tokens = rows?.tokens ?? new Int32Array(0);
      const lengths = rows?.lengths ?? new Int32Array(0);
      // Training has no use for it, and it would travel with every batch.
      const meta = this.given.options.captions === "together" ? text.meta : undefined;
      return { captions, tokens, lengths, label: text.label, meta };
    } catch (error) {
      return { reason: error instanceof Error ? error.message : String(error) };
    }
  }

  close(): void {
    this.reader.close();
  }

  private choose(captions: string[], { epoch, part, index, caption }: DecodeTask): string[] {
    const { captions: mode, seed } = this.given.options;
    if (mode === "together" || captions.length === 0) return captions;
    if (mode === "first") return captions.slice(0, 1);
    if (mode === "all") return captions.slice(caption ?? 0, (caption ?? 0) + 1);
    const chosen = createRandom([seed, "caption", epoch, part, index]).integer(captions.length);
    return captions.slice(chosen, chosen + 1);
  }

  private async decodePixels(
    transform: PictureTransform,
    task: DecodeTask,
    out: Uint8Array,
  ): Promise<void> {
    const { augmentation, seed } = this.given.options;
    const bytes = readImage(this.reader, task.ref);
    const at = { source: task.ref.file, key: task.ref.key };
    // Options with both are refused.
    if (augmentation === undefined || isNaflex(transform)) {
      await preparePicture(bytes, transform, { at, out });
      return;
    }
    const { epoch, part, index, caption } = task;
    const random = createRandom([seed, "augment", epoch, part, index, caption ?? -1]);
    const { imageSize } = transform;
    await applyTrainingTransform(bytes, { imageSize, augmentation }, random, { at, out });
  }
}
