/** A set's embeddings from the cache, and into it what it lacks: pictures block by block, captions as one. */
import { concatenateRows, rowsAt, type Embeddings } from "../../arrays/embeddings.ts";
import { createLoader, type Loader } from "../../data/loader/loader.ts";
import type { LoaderPosition } from "../../data/loader/options.ts";
import { formatJson, parseJson } from "../../files/json-text.ts";
import type { TokenRows } from "../encoder.ts";
import type { EmbedDatasetOptions, EmbeddedDataset, Embedder } from "./embed-dataset.ts";
import type { FeaturesCache, PictureBlock, PictureStore } from "./features-cache.ts";
import { fitsWhere, noSamples } from "./fits-where.ts";

/**
 * As `embedDataset`. All pictures of the source are kept, those that `where` leaves out as well: another
 * `where`, other classes, templates or captions need no picture again.
 */
export async function rememberedDataset(
  embedder: Embedder,
  cache: FeaturesCache,
  options: EmbedDatasetOptions,
): Promise<EmbeddedDataset> {
  const { loader, where, captions = true } = options;
  const { tokenizer, ...reading } = loader;
  const blocks = await blocksOf(embedder, await storeOf(cache, loader), {
    ...options,
    loader: reading,
    blockSize: cache.blockSize,
  });
  const metas = blocks.flatMap((block) => block.metas);
  const chosen = metas.flatMap((meta, i) => (fitsWhere(meta, where) ? [i] : []));
  if (chosen.length === 0) throw noSamples(where, JSON.stringify(loader.source));
  const [keys, labels] = [
    blocks.flatMap((block) => block.keys),
    blocks.flatMap((block) => block.labels),
  ];
  const whole = chosen.length === keys.length;
  const imageSize = blocks[0]?.imageSize ?? 0;
  const rows = concatenateRows(blocks.map((block) => block.rows));
  const place = new Map(chosen.map((image, i) => [image, i]));
  const texts =
    captions && tokenizer !== undefined
      ? await captionsOf(embedder, cache, { loader: { ...reading, tokenizer }, place })
      : { captions: [], imageOfText: new Int32Array(0), textEmbeddings: noRows };
  return {
    keys: chosen.map((i) => keys[i] as string),
    labels: chosen.map((i) => labels[i]),
    metas: chosen.map((i) => metas[i] as Record<string, unknown>),
    imageEmbeddings: whole ? rows : rowsAt(rows, chosen),
    ...texts,
    pictures: [],
    imageSize,
  };
}

async function storeOf(
  cache: FeaturesCache,
  { source, maxPixels = null }: Reading,
): Promise<PictureStore> {
  return cache.pictures({ data: await cache.fingerprint(source), maxPixels });
}

type Reading = Pick<EmbedDatasetOptions["loader"], "source"> & { maxPixels?: number | null };

/** Whether all pictures of a source are there. */
export async function isRemembered(cache: FeaturesCache, loader: Reading): Promise<boolean> {
  return isWhole((await storeOf(cache, loader)).read());
}

const noRows: Embeddings = { data: new Float32Array(0), count: 0, dim: 0 };

async function blocksOf(
  embedder: Embedder,
  store: PictureStore,
  options: EmbedDatasetOptions & { blockSize: number },
): Promise<PictureBlock[]> {
  const known = store.read();
  if (isWhole(known)) return known;
  // Another process that embeds the same set will have finished it.
  return store.alone(async () => {
    const blocks = store.read();
    if (!isWhole(blocks)) await embedRest(embedder, store, { ...options, blocks });
    return blocks;
  });
}

function isWhole(blocks: readonly PictureBlock[]): boolean {
  return blocks.length > 0 && blocks.at(-1)?.position === null;
}

/** Embeds what lies behind `blocks`, and adds it to them. */
async function embedRest(
  embedder: Embedder,
  store: PictureStore,
  {
    loader: options,
    blocks,
    blockSize,
    onProgress,
    signal,
  }: EmbedDatasetOptions & { blocks: PictureBlock[]; blockSize: number },
): Promise<void> {
  const position = blocks.at(-1)?.position ?? undefined;
  const loader = await createLoader({
    ...options,
    mode: "evaluate",
    ...(position === undefined ? {} : { position }),
  });
  let done = blocks.reduce((sum, { keys }) => sum + keys.length, 0);
  const next = new BlockBuilder();
  const keep = (behind: LoaderPosition | null): void => {
    const block = next.take(behind);
    store.write(blocks.length, block);
    blocks.push(block);
  };
  try {
    for (let batch = await loader.next(); batch !== null; batch = await loader.next()) {
      signal?.throwIfAborted();
      if (next.count >= blockSize) keep(next.position);
      next.add(batch, embedder.encodeImages(batch.pixels), loader.position());
      done += batch.size;
      onProgress?.(done);
    }
    if (next.count === 0) throw noSamples(undefined, JSON.stringify(options.source));
    keep(null);
  } finally {
    await loader.close();
  }
}

type Batch = NonNullable<Awaited<ReturnType<Loader["next"]>>>;

/** Gathers batches until they make a block. */
class BlockBuilder {
  #keys: string[] = [];
  #labels: (string | undefined)[] = [];
  #metas: Record<string, unknown>[] = [];
  #rows: Embeddings[] = [];
  #imageSize = 0;
  #position: LoaderPosition | null = null;

  get count(): number {
    return this.#keys.length;
  }

  get position(): LoaderPosition | null {
    return this.#position;
  }

  add(batch: Batch, rows: Embeddings, position: LoaderPosition): void {
    this.#keys.push(...batch.keys);
    this.#labels.push(...(batch.labels ?? Array.from<undefined>({ length: batch.size })));
    this.#metas.push(
      ...(batch.metas?.map(asStored) ?? Array.from({ length: batch.size }, () => ({}))),
    );
    this.#rows.push(rows);
    this.#imageSize = batch.imageSize;
    this.#position = position;
  }

  take(position: LoaderPosition | null): PictureBlock {
    const block = {
      keys: this.#keys,
      labels: this.#labels,
      metas: this.#metas,
      rows: concatenateRows(this.#rows),
      imageSize: this.#imageSize,
      position,
    };
    [this.#keys, this.#labels, this.#metas, this.#rows] = [[], [], [], []];
    return block;
  }
}

/** As the next run reads it: without NaN, infinities and dates, which JSON has not. */
function asStored(meta: Record<string, unknown>): Record<string, unknown> {
  return parseJson(formatJson(meta)) as Record<string, unknown>;
}

type Captions = Pick<EmbeddedDataset, "captions" | "imageOfText" | "textEmbeddings">;

/** Reads the captions again, without the pictures; embeds them where the cache has not these very texts. */
async function captionsOf(
  embedder: Embedder,
  cache: FeaturesCache,
  {
    loader: options,
    place,
  }: { loader: EmbedDatasetOptions["loader"]; place: ReadonlyMap<number, number> },
): Promise<Captions> {
  const captions: string[] = [];
  const owners: number[] = [];
  const parts: TokenRows[] = [];
  const { transform: _, ...texts } = options;
  const loader = await createLoader({ ...texts, images: "skip", mode: "evaluate" });
  try {
    let start = 0;
    for (let batch = await loader.next(); batch !== null; batch = await loader.next()) {
      const { contextLength } = batch;
      parts.push({ tokens: batch.tokens.slice(), lengths: batch.lengths.slice(), contextLength });
      captions.push(...batch.captions);
      for (const owner of batch.owners) owners.push(start + owner);
      start += batch.size;
    }
  } finally {
    await loader.close();
  }
  const rows = await cache.texts(captions, () =>
    concatenateRows(parts.map((part) => embedder.encodeTexts(part))),
  );
  const chosen = owners.flatMap((owner, text) => (place.has(owner) ? [text] : []));
  return {
    captions: chosen.map((text) => captions[text] as string),
    imageOfText: Int32Array.from(chosen, (text) => place.get(owners[text] as number) as number),
    textEmbeddings: chosen.length === owners.length ? rows : rowsAt(rows, chosen),
  };
}
