/** Where embedding a source stands: what it is, which shards are whole, where the next one starts. */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";

import type { LoaderExtent } from "../data/loader/loader.ts";
import type { LoaderPosition } from "../data/loader/options.ts";
import type { NpyPrecision } from "../files/npy.ts";
import type { SourceSpec } from "../data/sources/source-spec.ts";
import { counted, DataError } from "../errors.ts";
import { writeTextAtomically } from "../files/atomic-write.ts";
import { isPartial } from "../files/owner.ts";
import { readJsonFile, readingReason } from "../files/regular-file.ts";
import { makeFolder } from "../files/storage.ts";
import { MAX_PIXELS } from "../data/image/index.ts";
import { cellBytes, placePicture } from "../data/image/picture-cell.ts";
import { embedTexts } from "../inference/encode-texts.ts";
import type { Precision } from "../inference/encoder.ts";
import type { InferenceModel } from "../inference/inference-model.ts";
import { widened, type Column, type ColumnKind } from "./metadata-columns.ts";
import { columnsOf } from "./metadata-table.ts";
import { EMBEDDING_FOLDERS, shardFiles, widenNames } from "./shard-files.ts";

/** Everything that decides what the files hold. */
export interface EmbedSettings {
  readonly source: SourceSpec;
  readonly texts: boolean;
  /** The type of the files' numbers. */
  readonly store: NpyPrecision;
  /** What the model computes in. */
  readonly precision: Precision;
  readonly shardSize: number;
  readonly onError: "skip" | "fail";
  /** Absent from folders of limn 0.1, which had but one bound. */
  readonly maxPixels?: number;
  readonly dim: number;
  /** The embeddings of one fixed picture and text: another model has others. */
  readonly probe: readonly number[];
}

export interface EmbedState {
  readonly version: 2;
  readonly settings: EmbedSettings;
  /** The source's size when it was begun; absent from folders of limn 0.1 that held shards. */
  readonly extent?: LoaderExtent;
  /** Rows of each whole shard. */
  readonly shards: readonly number[];
  /** Digits of the numbers in the shards' names. */
  readonly width: number;
  /** The columns of the records so far; the latest shards have them all. */
  readonly columns: readonly Column[];
  /** Samples passed over so far. */
  readonly skipped: number;
  /** Where the next shard starts: a place of the loader and the rows behind it that are done. */
  readonly next: { readonly position: LoaderPosition | null; readonly drop: number };
  readonly complete: boolean;
}

/** Before the model's precision could be chosen, `precision` was that of the files. */
type SettingsBefore = Omit<EmbedSettings, "store" | "precision"> & { precision: NpyPrecision };

/** As limn 0.1 wrote it: it listed the source first, and columns had types of their own shard. */
interface FirstState extends Omit<EmbedState, "version" | "settings" | "width" | "columns"> {
  readonly version: 1;
  readonly settings: SettingsBefore & { readonly samples: number };
}

const NAME = "embed.json";

/** Rounding differs between machines by far less, and models by far more. */
const PROBE_TOLERANCE = 1e-3;

/** Makes the folder too. throws  StorageError where it cannot be written */
export function writeState(folder: string, state: EmbedState): void {
  makeFolder(folder);
  writeTextAtomically(path.join(folder, NAME), `${JSON.stringify(state, null, 2)}\n`);
}

/**
 * The state to go on from; a new one where the folder has none, or none with a shard. Nothing is
 * written, except that shards get the names that the state says.
 *
 * throws  DataError for embeddings of another model, source or setting, naming the first difference,
 *         and for a folder with embeddings whose origin is unknown
 */
export async function openState(folder: string, settings: EmbedSettings): Promise<EmbedState> {
  const file = path.join(folder, NAME);
  const begin: EmbedState = {
    version: 2,
    settings,
    shards: [],
    width: 1,
    columns: [],
    skipped: 0,
    next: { position: null, drop: 0 },
    complete: false,
  };
  if (!existsSync(file)) {
    refuseStrangers(folder);
    return begin;
  }
  const found = parse(file);
  if (found.shards.length === 0 && !found.complete) return begin;
  const state = await upgraded(folder, found);
  // Before `maxPixels` was a setting it was always the same.
  const before = { maxPixels: MAX_PIXELS, ...withStore(state.settings) };
  for (const key of Object.keys(settings) as (keyof EmbedSettings)[]) {
    if (key === "probe" ? sameProbe(before, settings) : same(before, settings, key)) continue;
    const old = `${key} ${JSON.stringify(before[key])}`;
    const what = key === "probe" ? "another model or preprocessing" : old;
    const now = key === "probe" ? "this one" : JSON.stringify(settings[key]);
    throw new DataError(
      `Expected embeddings of the same model, source and settings in ${folder} but received ` +
        `${what} instead of ${now}; choose another folder, or remove this one`,
      { source: file },
    );
  }
  widenNames(folder, state.shards.length, state.width);
  return state;
}

/**
 * Whether the source is as large as it was. Shards of other names the loader notices; in a folder or a
 * table the number of pictures tells.
 *
 * throws  DataError where it is not
 */
export function checkExtent(folder: string, { extent }: EmbedState, now: LoaderExtent): void {
  if (extent === undefined || JSON.stringify(extent) === JSON.stringify(now)) return;
  const words = ({ parts, samples, bytes }: LoaderExtent): string =>
    samples === undefined || bytes > 0
      ? `${counted(parts, "file")} of ${bytes} bytes`
      : counted(samples, "picture");
  throw new DataError(
    `Expected the source that the embeddings in ${folder} are of, ${words(extent)}, but received ` +
      `${words(now)}; choose another folder, or put the source back`,
    { source: path.join(folder, NAME) },
  );
}

function withStore(settings: EmbedSettings | SettingsBefore): EmbedSettings {
  if ("store" in settings) return settings;
  return { ...settings, store: settings.precision, precision: "float32" };
}

/** The state as this version has it, of a folder that an earlier one began. */
async function upgraded(folder: string, state: EmbedState | FirstState): Promise<EmbedState> {
  if (state.version === 2) return state;
  const { samples, ...first } = state.settings;
  const settings = withStore(first);
  const width = String(Math.ceil(samples / settings.shardSize)).length;
  const columns = new Map<string, ColumnKind>();
  for (let number = 0; number < state.shards.length; number++) {
    const { metadata } = shardFiles(folder, number, width);
    for (const { name, kind } of (await columnsOf(metadata)).slice(settings.texts ? 2 : 1)) {
      columns.set(name, widened(columns.get(name) ?? "null", kind));
    }
  }
  const list = [...columns].map(([name, kind]) => ({ name, kind }));
  return { ...state, version: 2, settings, width, columns: list };
}

function parse(file: string): EmbedState | FirstState {
  try {
    const state = readJsonFile(file) as EmbedState | FirstState;
    const { version, settings, shards, next } = state;
    const known = ([1, 2] as unknown[]).includes(version);
    const fits = known && typeof settings === "object" && Array.isArray(shards);
    const whole = version === 1 || (Number.isInteger(state.width) && Array.isArray(state.columns));
    if (fits && whole && Number.isInteger(next.drop)) return state;
    throw new Error("it has another form");
  } catch (cause) {
    throw new DataError(
      `Expected the state of an embedding run in ${file} but it cannot be read ` +
        `(${readingReason(cause)}); remove the folder and start again`,
      { source: file },
      { cause },
    );
  }
}

function same(a: EmbedSettings, b: EmbedSettings, key: keyof EmbedSettings): boolean {
  return JSON.stringify(a[key]) === JSON.stringify(b[key]);
}

function sameProbe({ probe: a }: EmbedSettings, { probe: b }: EmbedSettings): boolean {
  return a.length === b.length && a.every((x, i) => Math.abs(x - (b[i] ?? NaN)) < PROBE_TOLERANCE);
}

function refuseStrangers(folder: string): void {
  const found = EMBEDDING_FOLDERS.find((name) => {
    const inside = path.join(folder, name);
    return existsSync(inside) && readdirSync(inside).some((file) => !isPartial(file));
  });
  if (found === undefined) return;
  throw new DataError(
    `Expected a new folder for embeddings but ${path.join(folder, found)} has files and no ` +
      `${NAME} says what they are; choose another folder`,
    { source: folder },
  );
}

/** Numbers of each embedding that are kept. */
const KEPT = 16;

/** The first numbers of both embeddings; they depend on weights, preprocessing and tokenizer. */
export function modelProbe(model: InferenceModel): number[] {
  const { transform } = model.encoder;
  const [width, height] = [96, 64];
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * i + 31 * i) % 251);
  const cell = new Uint8Array(cellBytes(transform));
  placePicture({ data, width, height }, transform, cell);
  const image = model.encoder.encodeImages(cell).data;
  const text = embedTexts(model, ["a photo of a cat"]).data;
  return [...image.subarray(0, KEPT), ...text.subarray(0, KEPT)].map((x) => Number(x.toFixed(6)));
}
