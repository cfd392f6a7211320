/** What every kind of source looks like to the loader, the packer and the inspector. */
import type { SvgOptions } from "../image/svg/rasterize-svg.ts";

/** Bytes of a sample that were not read yet: a stretch of a file, a file, or held in memory. */
export interface Piece {
  file: string;
  offset: number;
  /** Bytes, or undefined for the whole file. */
  size?: number;
  /** Present where the file cannot be read at an offset (compressed shards). */
  bytes?: Uint8Array;
}

/** A sample by reference: small enough to keep thousands of them for shuffling. */
export interface SampleRef {
  key: string;
  /** The shard, or the file itself where each image is a file. */
  file: string;
  image: Piece;
  /** A caption file, and a JSON record, as they stand beside the image. */
  text?: Piece;
  json?: Piece;
  classIndex?: Piece;
  /** Numbers of the sample, in numpy's format. */
  npy?: Piece;
  /** What is already known without reading (tables). */
  captions?: string[];
  label?: string;
  meta?: Record<string, unknown>;
}

/** Something that stands where a sample should: reported, counted, never silently dropped. */
export interface Problem {
  file: string;
  key?: string;
  reason: string;
}

export type Entry = (
  { ref: SampleRef; problem?: undefined } | { problem: Problem; ref?: undefined }
) & {
  /** Where it begins in its part's file, where reading can begin there. */
  byte?: number;
};

/** A shard, or a whole table or folder. */
export interface Part {
  /** Its file or folder. */
  path: string;
  /** Samples arrive with their bytes, because reading at an offset is impossible. */
  compressed: boolean;
  /**
   * The entries in the order in which they are stored; the same every time. Never throws for bad
   * data: what cannot be read is an entry with `problem`.
   */
  read(): AsyncIterable<Entry>;
  /**
   * The same from one entry on, where that is had without reading all before it.
   *
   * byte   the entry's, if it was kept; where nothing begins there, reading begins at the start
   */
  readFrom?(entry: number, byte?: number): AsyncIterable<Entry>;
  /** Where any entry can be had at once by its number: the same ones. */
  list?: EntryList;
}

/** Entries by their number, made when they are asked for. */
export interface EntryList {
  readonly length: number;
  /** As `Part.read` has it: never throws for bad data. */
  at(index: number): Entry;
}

export interface Source {
  /** For messages: the pattern, table or folder as given. */
  name: string;
  parts: Part[];
  /** Every part has a `list`, so that shuffling needs no window. */
  listed: boolean;
  /** How captions are read from pieces. */
  reading: ReadingOptions;
  /** Allows SVG files among the pictures. */
  svg?: SvgOptions;
  /** Files beside the pictures that belong to no sample: how many of each ending (folders). */
  passedOver?: Readonly<Record<string, number>>;
  /** Of a table: the columns that are read. */
  columns?: Columns;
}

/** The names of a table's columns; undefined for what it has not. */
export interface Columns {
  image: string;
  caption: string | undefined;
  label: string | undefined;
  /** Columns that are in the samples' records, where those of tables are read; else in none. */
  others?: readonly string[];
  /** Columns that are in no sample's record. */
  unread?: readonly string[];
}

export interface ReadingOptions {
  /** Keys of a JSON record that hold a caption or a list of captions; the first present is used. */
  captionKeys: string[];
  /** A caption file holds one caption per line instead of one caption. */
  captionPerLine: boolean;
  /** JSON beside a picture may be anything (folders): what is no record is passed over. */
  anyJson?: boolean;
  /** Whole numbers that a record or a Parquet column has as floats (1.0) are Number objects, see `parseJson`. */
  floats?: "plain" | "marked";
  /** Names of the numbers in `key.npy`; a sample without exactly these is bad. */
  npyColumns?: readonly string[] | undefined;
  /** Whether `key.npy` is left alone, as nobody asks for records. */
  withoutNpy?: boolean;
}

/** A source of one part whose entries can be had in any order. */
export function listedSource(name: string, list: EntryList): Source {
  return {
    name,
    listed: true,
    reading: { captionKeys: [], captionPerLine: false },
    parts: [{ path: name, compressed: false, read: () => inOrder(list), list }],
  };
}

async function* inOrder(list: EntryList): AsyncGenerator<Entry> {
  for (let index = 0; index < list.length; index++) yield list.at(index);
}
