/** Searches of a trained model for its report: texts, and the pictures of a pool that are nearest to them. */
import { rowsOf } from "../../arrays/embeddings.ts";
import { topMatches } from "../../arrays/similarities.ts";
import { counted } from "../../errors.ts";
import type { LoaderOptions } from "../../data/loader/options.ts";
import { embedDataset, embedderOf } from "../../inference/features/embed-dataset.ts";
import type { Where } from "../../inference/features/fits-where.ts";
import { loadModel } from "../../inference/load-model.ts";
import type { RetrievalExample, RetrievalGroup } from "../../report/types.ts";
import type { Device } from "../../torch/index.ts";
import { pictureUri } from "./picture-uri.ts";

/** A picture that was searched, without its pixels. */
export interface SearchedPicture {
  readonly key: string;
  readonly label: string | undefined;
  /** What its JSON holds beside captions and label. */
  readonly meta: Readonly<Record<string, unknown>>;
}

export interface SearchOptions {
  /** Default: what was searched for, in its pool. */
  title?: string;
  note?: string;
  /** The pool: pictures, with or without captions. */
  source: LoaderOptions["source"];
  /** Which of its samples are searched; all when absent. */
  where?: Where;
  /** Texts as they are, without templates. */
  queries: readonly string[];
  /** Pictures shown for each. Default 8. */
  shown?: number;
  /** What a picture is called in the report. Default: its key. */
  caption?: (picture: SearchedPicture) => string;
  /** A second, smaller line under it. */
  detail?: (picture: SearchedPicture) => string;
  /** Whether a picture is what the text asks for; nothing is marked when absent. */
  isRight?: (query: string, picture: SearchedPicture) => boolean;
  /** What the reader should know of a query, such as whether its words were trained on. */
  about?: (query: string) => string | undefined;
}

/**
 * Embeds the pool and the texts with the model in a folder.
 *
 * throws  RangeError unless there is a query and something to show; as `loadModel`; DataError for a
 *         sample that cannot be read
 */
export async function runSearches(
  model: string,
  options: SearchOptions,
  { batchSize, device }: { batchSize: number; device: Device },
): Promise<RetrievalGroup> {
  const { source, where, queries, shown = 8, isRight } = options;
  if (queries.length === 0) {
    throw new RangeError("Expected at least one text for queries but received none; add one");
  }
  if (!Number.isInteger(shown) || shown < 1) {
    throw new RangeError(`Expected a positive whole number for shown but received ${shown}`);
  }
  const loaded = await loadModel(model, { device });
  try {
    const embedder = embedderOf(loaded);
    const { keys, labels, metas, pictures, imageEmbeddings, imageSize } = await embedDataset(
      embedder,
      {
        loader: { source, transform: loaded.encoder.transform, batchSize },
        where,
        captions: false,
        pictures: Infinity,
      },
    );
    const pool = keys.map((key, i): SearchedPicture => ({
      key,
      label: labels[i],
      meta: metas[i] ?? {},
    }));
    const texts = embedder.embedTexts(queries);
    const items = queries.map(async (query, q): Promise<RetrievalExample> => {
      const nearest = topMatches(rowsOf(texts, q, q + 1), imageEmbeddings, shown);
      const right = pool.map((picture) => isRight?.(query, picture) === true);
      const results = await Promise.all(
        Array.from(nearest.indices, async (index, rank) => {
          const picture = pool[index] as SearchedPicture;
          const detail = options.detail?.(picture);
          return {
            image: await pictureUri(pictures[index] as Uint8Array, imageSize),
            caption: options.caption?.(picture) ?? picture.key,
            ...(detail === undefined ? {} : { detail }),
            similarity: nearest.similarities[rank] ?? 0,
            correct: right[index] === true,
          };
        }),
      );
      const found = isRight && foundText(count(right), count(results.map((r) => r.correct)));
      const note = [options.about?.(query), found].filter((each) => each !== undefined).join("; ");
      return { query, results, note };
    });
    return {
      title: options.title ?? "Search",
      note: options.note ?? `The ${shown} nearest of ${counted(keys.length, "picture")}.`,
      items: await Promise.all(items),
    };
  } finally {
    loaded.dispose();
  }
}

function count(flags: readonly boolean[]): number {
  return flags.filter(Boolean).length;
}

/** How many of the pictures that have the name are shown. */
function foundText(all: number, found: number): string {
  if (all === 0) return "no picture has this name";
  if (all === 1) return `the one picture of this name is ${found === 1 ? "" : "not "}here`;
  return `${found} of ${counted(all, "picture")} of this name ${found === 1 ? "is" : "are"} here`;
}
