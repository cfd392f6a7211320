/**
 * Embeddings that were computed once: of a set's pictures, and of lists of texts. A folder for each
 * (weights, preprocessing, precision, set), named by a digest of all that decides its rows, so that another
 * model or a changed set is another folder. Nothing else is ever read from or written to it.
 */
import { existsSync, rmSync } from "node:fs";
import path from "node:path";

import type { Embeddings } from "../../arrays/embeddings.ts";
import { writeTextAtomically } from "../../files/atomic-write.ts";
import { WRITERS_PATIENCE_MS, withFileLock } from "../../files/file-lock.ts";
import { lockName } from "../../files/folder-record.ts";
import { formatJson, parseJson } from "../../files/json-text.ts";
import { NpyWriter, readNpy } from "../../files/npy.ts";
import { readTextFile } from "../../files/regular-file.ts";
import { makeFolder } from "../../files/storage.ts";
import { fingerprintSource, type DataFingerprint } from "../../data/data-fingerprint.ts";
import type { SourceSpec } from "../../data/sources/source-spec.ts";
import type { LoaderPosition } from "../../data/loader/options.ts";
import { digestOf, type ModelIdentity, PIPELINE } from "./identity.ts";

/** What is known of pictures beside their rows; [N] each. */
export interface PictureRecords {
  readonly keys: string[];
  readonly labels: (string | undefined)[];
  readonly metas: Record<string, unknown>[];
}

/** Consecutive pictures of a set, and where the loader goes on behind them. */
export interface PictureBlock extends PictureRecords {
  readonly rows: Embeddings;
  readonly imageSize: number;
  /** Null behind the last one. */
  readonly position: LoaderPosition | null;
}

interface BlockFile {
  keys: string[];
  labels: (string | null)[];
  metas: Record<string, unknown>[];
  imageSize: number;
  position: LoaderPosition | null;
}

/** Where features lie, and the model that they are of. */
export class FeaturesCache {
  readonly root: string;
  /** Pictures that are written at once: what a stopped run loses at most. */
  readonly blockSize: number;
  readonly #model: ModelIdentity;
  readonly #fingerprints = new Map<string, Promise<DataFingerprint>>();

  constructor(root: string, model: ModelIdentity, blockSize = 1024) {
    this.root = root;
    this.blockSize = blockSize;
    this.#model = model;
  }

  /** A source's fingerprint, made once in this process: its files are not expected to change meanwhile. */
  fingerprint(source: SourceSpec): Promise<DataFingerprint> {
    const key = JSON.stringify(source);
    const known = this.#fingerprints.get(key) ?? fingerprintSource(source);
    this.#fingerprints.set(key, known);
    return known;
  }

  /** The blocks of a set's pictures; `set` is all that decides which pictures those are. */
  pictures(set: unknown): PictureStore {
    const parts = { rows: "pictures", model: this.#model.image, set, pipeline: PIPELINE };
    return new PictureStore(path.join(this.root, digestOf(parts)), parts);
  }

  /** The rows of texts, made where they are not there. `texts` is all that decides them. */
  async texts(texts: unknown, make: () => Promise<Embeddings> | Embeddings): Promise<Embeddings> {
    const parts = { rows: "texts", model: this.#model.text, texts, pipeline: PIPELINE };
    const folder = path.join(this.root, "texts");
    const file = path.join(folder, `${digestOf(parts)}.npy`);
    const known = readRows(file);
    if (known !== undefined) return known;
    const rows = await make();
    makeFolder(folder);
    writeRows(file, rows);
    return rows;
  }
}

/** A set's blocks as they appear one by one; what a stopped run has done stays. */
export class PictureStore {
  readonly folder: string;
  readonly #parts: unknown;

  constructor(folder: string, parts: unknown) {
    this.folder = folder;
    this.#parts = parts;
  }

  /** The whole blocks that are there, in order. */
  read(): PictureBlock[] {
    const blocks: PictureBlock[] = [];
    for (;;) {
      const block = this.#block(blocks.length);
      if (block === undefined) return blocks;
      blocks.push(block);
      if (block.position === null) return blocks;
    }
  }

  #block(number: number): PictureBlock | undefined {
    const file = this.#file(number);
    const rows = readRows(`${file}.npy`);
    if (rows === undefined) return undefined;
    try {
      const { labels, ...stored } = parseJson(readTextFile(`${file}.json`)) as BlockFile;
      if (stored.keys.length !== rows.count) return undefined;
      return { ...stored, labels: labels.map((label) => label ?? undefined), rows };
    } catch {
      // Cut short, or of another hand: made again.
      return undefined;
    }
  }

  /** The rows come last, so that a block with rows is whole. */
  write(number: number, { rows, labels, ...block }: PictureBlock): void {
    makeFolder(this.folder);
    if (number === 0) {
      const key = path.join(this.folder, "key.json");
      writeTextAtomically(key, `${JSON.stringify(this.#parts, null, 2)}\n`);
    }
    const file = this.#file(number);
    // What was behind a block that had to be made again may begin elsewhere.
    rmSync(`${this.#file(number + 1)}.npy`, { force: true });
    const stored = { ...block, labels: labels.map((label) => label ?? null) };
    writeTextAtomically(`${file}.json`, formatJson(stored));
    writeRows(`${file}.npy`, rows);
  }

  /** Runs `work` while no other process writes here. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    makeFolder(this.folder);
    const lock = path.join(this.folder, lockName);
    return withFileLock(lock, work, { patience: WRITERS_PATIENCE_MS });
  }

  #file(number: number): string {
    return path.join(this.folder, `pictures-${String(number).padStart(5, "0")}`);
  }
}

function writeRows(file: string, { data, dim }: Embeddings): void {
  const writer = new NpyWriter(file, dim, "float32");
  writer.append(data);
  writer.finish();
}

/** Undefined where they are not there, or not whole. */
function readRows(file: string): Embeddings | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const { data, rows: count, dim } = readNpy(file);
    return { data, count, dim };
  } catch {
    return undefined;
  }
}
