/** A held-out set, embedded once for all the tasks that are measured on it. */
import { createLoader } from "../data/loader/loader.ts";
import type { LoaderOptions } from "../data/loader/options.ts";
import { DataError } from "../errors.ts";
import { concatenate, selectRows, type Embedder } from "./embedder.ts";
import type { Embeddings } from "./embeddings.ts";

/** Values that a sample's JSON must have. */
export type Where = Readonly<Record<string, string | number | boolean>>;

export interface EmbeddedDataset {
  keys: string[];
  /** [N, D] unit rows */
  imageEmbeddings: Embeddings;
  /** [M, D] unit rows, one per caption */
  textEmbeddings: Embeddings;
  captions: string[];
  /** [M] index of the image that each caption belongs to */
  imageOfText: Int32Array;
  labels: (string | undefined)[];
  metas: Record<string, unknown>[];
  /** The first pictures as the model sees them, for reports: uint8 [3, S, S] each. */
  pictures: Uint8Array[];
  imageSize: number;
}

export interface EmbedDatasetOptions {
  loader: Omit<LoaderOptions, "mode">;
  where?: Where | undefined;
  /** Pictures kept for a report. Default 0. */
  pictures?: number;
}

/**
 * Reads a source in order and embeds every image and all its captions.
 *
 * throws  DataError for a sample that cannot be read, or when `where` leaves no sample
 */
export async function embedDataset(
  embedder: Embedder,
  { loader: options, where, pictures: keep = 0 }: EmbedDatasetOptions,
): Promise<EmbeddedDataset> {
  const loader = await createLoader({ ...options, mode: "evaluate" });
  const set = new Collector(where, keep);
  try {
    for (let batch = await loader.next(); batch !== null; batch = await loader.next()) {
      set.imageSize = batch.imageSize;
      const { pixels, tokens, contextLength, lengths } = batch;
      const images = embedder.embedPixels(pixels, batch.imageSize);
      const texts = batch.captions.length
        ? embedder.embedTokens(tokens, contextLength, lengths)
        : undefined;
      set.add(batch, images, texts);
    }
  } finally {
    await loader.close();
  }
  return set.finish(JSON.stringify(options.source));
}

type EvaluationBatch = NonNullable<
  Awaited<ReturnType<Awaited<ReturnType<typeof createLoader>>["next"]>>
>;

class Collector {
  imageSize = 0;
  readonly #where: Where | undefined;
  readonly #keep: number;
  readonly #images: Embeddings[] = [];
  readonly #texts: Embeddings[] = [];
  readonly #set = {
    keys: [] as string[],
    captions: [] as string[],
    imageOfText: [] as number[],
    labels: [] as (string | undefined)[],
    metas: [] as Record<string, unknown>[],
    pictures: [] as Uint8Array[],
  };

  constructor(where: Where | undefined, keep: number) {
    this.#where = where;
    this.#keep = keep;
  }

  add(batch: EvaluationBatch, images: Embeddings, texts: Embeddings | undefined): void {
    const chosen = batch.keys.flatMap((_, i) => (this.#fits(batch.metas?.[i]) ? [i] : []));
    const first = this.#set.keys.length;
    const place = new Map(chosen.map((image, i) => [image, first + i]));
    const area = 3 * batch.imageSize ** 2;
    for (const i of chosen) {
      this.#set.keys.push(batch.keys[i] as string);
      this.#set.labels.push(batch.labels?.[i]);
      this.#set.metas.push(batch.metas?.[i] ?? {});
      if (this.#set.pictures.length < this.#keep) {
        this.#set.pictures.push(batch.pixels.slice(i * area, (i + 1) * area));
      }
    }
    this.#images.push(selectRows(images, chosen));
    if (texts === undefined) return;
    const rows = [...batch.owners.keys()].filter((row) => place.has(batch.owners[row] as number));
    this.#texts.push(selectRows(texts, rows));
    for (const row of rows) {
      this.#set.captions.push(batch.captions[row] as string);
      this.#set.imageOfText.push(place.get(batch.owners[row] as number) as number);
    }
  }

  #fits(meta: Record<string, unknown> | undefined): boolean {
    return Object.entries(this.#where ?? {}).every(([key, value]) => meta?.[key] === value);
  }

  finish(source: string): EmbeddedDataset {
    if (this.#set.keys.length === 0) {
      throw new DataError(
        `Expected samples with ${JSON.stringify(this.#where ?? {})} in ${source} but found none; ` +
          "check the source and the conditions of the suite",
        { source },
      );
    }
    return {
      ...this.#set,
      imageOfText: Int32Array.from(this.#set.imageOfText),
      imageEmbeddings: concatenate(this.#images),
      textEmbeddings: concatenate(this.#texts),
      imageSize: this.imageSize,
    };
  }
}
