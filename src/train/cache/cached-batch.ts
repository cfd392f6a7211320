/** Takes out of a batch the pictures and captions that a cache has no rows for, and counts them. */
import type { Batch } from "../../data/sample.ts";

/**
 * The batch without the pictures and captions that have no row in the cache: those that could not be
 * read when it was made. The very batch where all have one; else a smaller one, even of `size` 0.
 *
 * has   whether there is a row, by `imageIds` and by the caption's text; always true when absent
 */
export function onlyCached(
  batch: Batch,
  has: { image?: (id: string) => boolean; caption?: (caption: string) => boolean },
): Batch {
  const { image = () => true, caption = () => true } = has;
  const captioned = new Set(batch.owners.filter((_, row) => caption(batch.captions[row]!)));
  const wanted = batch.imageIds.map(
    (id, i) => image(id) && (has.caption === undefined || captioned.has(i)),
  );
  const rows = batch.captions.flatMap((text, row) =>
    wanted[batch.owners[row]!] && caption(text) ? [row] : [],
  );
  const images = wanted.flatMap((there, i) => (there ? [i] : []));
  if (images.length === batch.size && rows.length === batch.captions.length) return batch;
  return select(batch, images, rows);
}

function select(batch: Batch, images: readonly number[], rows: readonly number[]): Batch {
  const place = new Map(images.map((image, i) => [image, i]));
  const of = <T>(list: readonly T[], chosen: readonly number[]): T[] => chosen.map((i) => list[i]!);
  const { labels, metas } = batch;
  return {
    ...batch,
    size: images.length,
    keys: of(batch.keys, images),
    imageIds: of(batch.imageIds, images),
    ids: of(batch.ids, rows),
    captions: of(batch.captions, rows),
    owners: Int32Array.from(rows, (row) => place.get(batch.owners[row]!)!),
    tokens: gather(batch.tokens, batch.contextLength, rows),
    lengths: gather(batch.lengths, 1, rows),
    pixels: gather(batch.pixels, 3 * batch.imageSize ** 2, images),
    ...(labels === undefined ? {} : { labels: images.map((i) => labels[i]) }),
    ...(metas === undefined ? {} : { metas: of(metas, images) }),
    skipped: batch.skipped + batch.size - images.length,
  };
}

/** Rows of `width` numbers; nothing of an empty array (no tokenizer, or pictures not decoded). */
function gather<T extends Uint8Array | Int32Array>(
  data: T,
  width: number,
  chosen: readonly number[],
): T {
  if (data.length === 0) return data;
  const out = data.slice(0, chosen.length * width) as T;
  for (const [i, row] of chosen.entries()) {
    out.set(data.subarray(row * width, (row + 1) * width), i * width);
  }
  return out;
}
