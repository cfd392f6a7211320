/** Weights in several files with an index, `model.safetensors.index.json`, as one WeightFile. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { CheckpointError, didYouMean } from "../../errors.ts";
import { parseJson } from "../../files/json-text.ts";
import { readTextFile } from "../../files/regular-file.ts";
import { isJsonObject } from "../../files/json-fields.ts";
import { memberCount } from "./safetensors-header.ts";
import { namingFile } from "./weight-reader.ts";
import type { WeightFile } from "./weight-file.ts";

/**
 * Opens the index of a sharded checkpoint:
 *
 *     {"metadata": {"total_size": bytes}, "weight_map": {name: file in the same folder}}
 *
 * Each file is opened when one of its weights is first asked for; its names and those that the index
 * gives it must then be the same.
 *
 * open    opens one of the files
 * throws  CheckpointError naming the index: damaged, a file that is missing or elsewhere
 */
export function readSharded(index: string, open: (file: string) => WeightFile): WeightFile {
  const { places, metadata } = namingFile(index, what, () => parseIndex(index));
  const shards = new Map<string, WeightFile>();
  let isOpen = true;
  const shardOf = (name: string): WeightFile => {
    const file = places.get(name);
    if (file === undefined) {
      throw new CheckpointError(
        index,
        `Expected a tensor "${name}" in ${index} but it has none.${didYouMean(name, places.keys())}`,
      );
    }
    if (!isOpen) {
      throw new CheckpointError(
        index,
        `Expected ${index} to be open but it was closed; open it again`,
      );
    }
    const found = shards.get(file) ?? openShard(index, file, places, open);
    shards.set(file, found);
    return found;
  };
  const close = (): void => {
    for (const shard of shards.values()) shard.close();
    isOpen = false;
  };
  return {
    file: index,
    names: [...places.keys()],
    metadata,
    has: (name) => places.has(name),
    info: (name) => shardOf(name).info(name),
    tensor: (name) => shardOf(name).tensor(name),
    layer: (name, at) => shardOf(name).layer(name, at),
    readInto: (name, target) => shardOf(name).readInto(name, target),
    close,
    [Symbol.dispose]: close,
  };
}

const what = "an index of sharded weights";

function openShard(
  index: string,
  file: string,
  places: ReadonlyMap<string, string>,
  open: (file: string) => WeightFile,
): WeightFile {
  const shard = open(join(dirname(index), file));
  const expected = [...places].flatMap(([name, place]) => (place === file ? [name] : []));
  const missing = expected.filter((name) => !shard.has(name));
  const unexpected = shard.names.filter((name) => places.get(name) !== file);
  if (missing.length === 0 && unexpected.length === 0) return shard;
  shard.close();
  const lists = [
    ...missing.map((name) => `    "${name}" is in the index but not in the file`),
    ...unexpected.map((name) => `    "${name}" is in the file but not there in the index`),
  ];
  throw new CheckpointError(
    index,
    `Expected the same names in ${index} and ${file} but received others; fetch both from one ` +
      `place.\n${lists.join("\n")}`,
  );
}

interface Index {
  /** The file of each name. */
  places: ReadonlyMap<string, string>;
  metadata: Record<string, string>;
}

function parseIndex(index: string): Index {
  const text = readTextFile(index);
  const json = parseIndexText(text);
  const { weight_map: map, metadata = {} } = isJsonObject(json) ? json : {};
  if (!isJsonObject(map)) throw new Error("it has no weight_map");
  if (!isJsonObject(metadata)) throw new Error("its metadata is no object");
  const places = new Map<string, string>();
  for (const [name, file] of Object.entries(map)) {
    places.set(name, checkPlace(name, file));
  }
  if (hasDuplicates(json as Record<string, unknown>, Buffer.from(text)))
    throw new Error("it has a name twice");
  for (const file of new Set(places.values())) {
    if (!existsSync(join(dirname(index), file))) {
      throw new Error(`its file ${file} is missing beside it`);
    }
  }
  const texts = Object.entries(metadata).map(([key, value]) => [
    key,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return { places, metadata: Object.fromEntries(texts) as Record<string, string> };
}

/** Members two levels down, those that are parsed against those that are written. */
function hasDuplicates(json: Record<string, unknown>, bytes: Uint8Array): boolean {
  const count = (value: unknown): number => (isJsonObject(value) ? Object.keys(value).length : 0);
  const inner = Object.values(json).reduce((sum: number, value) => sum + count(value), 0);
  return memberCount(bytes, 1) > count(json) || memberCount(bytes, 2) > inner;
}

function parseIndexText(text: string): unknown {
  try {
    return parseJson(text, { integers: "rounded" });
  } catch (cause) {
    throw new Error(`it is not valid JSON (${(cause as Error).message})`, { cause });
  }
}

function checkPlace(name: string, file: unknown): string {
  // Only a plain name: the index of a download must not reach files elsewhere.
  if (typeof file === "string" && /^[^/\\:\0]+\.(safetensors|bin|pt|pth)$/.test(file)) return file;
  throw new Error(`"${name}" lies in ${JSON.stringify(file)}, which is no file of its folder`);
}
