/** A folder of images with caption files and JSON records beside them. */
import { basename, dirname, join } from "node:path";
import { DataError } from "../../errors.ts";
import { readableName } from "../../files/decode-text.ts";
import { isImageExtension, splitEnding } from "../paths/file-kinds.ts";
import { listFolder } from "../paths/folder-listing.ts";
import { refuseInnerMetadata } from "./dataset-folder.ts";
import type { FolderSpec } from "./source-spec.ts";
import { type Entry, listedSource, type SampleRef, type Source } from "./source.ts";

/**
 * Lists a folder and the folders in it, in an order that is the same on every machine. Every file
 * with the ending of a picture is a sample, also one that limn cannot decode, and so is a link that
 * leads to nothing; what else belongs to no sample is counted.
 *
 * throws   DataError if a folder cannot be read, or holds other files only
 */
export function openFolder(spec: FolderSpec): Source {
  const { files, broken } = listFolder(spec.directory);
  const companions = new Companions(files);
  const names: string[] = [];
  const others: string[] = [];
  const inner: string[] = [];
  for (const name of files) {
    const [stem, ending] = splitEnding(name);
    if (stem.endsWith("/metadata")) inner.push(name);
    if (isImageExtension(ending) || (broken.has(name) && !companions.has(name))) names.push(name);
    else if (!companions.has(name) || !companions.isUsed(stem)) others.push(ending);
  }
  const plain = spec.labelFromFolder === true || spec.captionPerLine === true;
  if (!plain) refuseInnerMetadata(spec.directory, inner);
  const passedOver = count(others);
  if (names.length === 0 && others.length > 0) throw noPictures(spec.directory, passedOver);
  const source = listedSource(spec.directory, {
    length: names.length,
    at: (index) => entryOf(spec, names[index]!, { companions, broken }),
  });
  source.reading = {
    captionKeys: ["captions", "caption"],
    captionPerLine: spec.captionPerLine ?? false,
    anyJson: true,
  };
  source.passedOver = passedOver;
  return source;
}

/** The texts and records that may belong to a picture of the same name, however their endings are written. */
class Companions {
  readonly #names = new Set<string>();
  /** Names as they are, of those whose ending is not in lower case. */
  readonly #written = new Map<string, string>();
  readonly #stems = new Set<string>();

  constructor(files: readonly string[]) {
    for (const name of files) {
      const [stem, ending] = splitEnding(name);
      if (isImageExtension(ending)) this.#stems.add(stem);
      if (ending !== "txt" && ending !== "json") continue;
      const usual = `${stem}.${ending}`;
      // In the usual letters before any others.
      if (usual === name) this.#written.delete(usual);
      else if (!this.#names.has(usual)) this.#written.set(usual, name);
      this.#names.add(usual);
    }
  }

  has(name: string): boolean {
    const [stem, ending] = splitEnding(name);
    return this.#names.has(`${stem}.${ending}`);
  }

  /** Whether there is a picture of this name. */
  isUsed(stem: string): boolean {
    return this.#stems.has(stem);
  }

  of(stem: string, ending: "txt" | "json"): string | undefined {
    const usual = `${stem}.${ending}`;
    return this.#names.has(usual) ? (this.#written.get(usual) ?? usual) : undefined;
  }
}

function entryOf(
  spec: FolderSpec,
  name: string,
  { companions, broken }: { companions: Companions; broken: ReadonlySet<string> },
): Entry {
  if (!broken.has(name)) return { ref: refOf(spec, name, companions) };
  const reason = "it is a link to something that is not there";
  return { problem: { file: join(spec.directory, name), key: readableName(name), reason } };
}

function refOf(spec: FolderSpec, name: string, companions: Companions): SampleRef {
  const [stem] = splitEnding(name);
  const file = join(spec.directory, name);
  const ref: SampleRef = { key: readableName(stem), file, image: { file, offset: 0 } };
  const [text, json] = (["txt", "json"] as const).map((ending) => companions.of(stem, ending));
  if (text !== undefined) ref.text = { file: join(spec.directory, text), offset: 0 };
  if (json !== undefined) ref.json = { file: join(spec.directory, json), offset: 0 };
  if (text === undefined && json === undefined) ref.captions = [];
  if (spec.labelFromFolder === true) {
    ref.label = readableName(
      name.includes("/") ? basename(dirname(name)) : basename(spec.directory),
    );
  }
  return ref;
}

function noPictures(directory: string, endings: Readonly<Record<string, number>>): DataError {
  const found = Object.entries(endings)
    .slice(0, 5)
    .map(([ending, times]) => `${times} ${ending === "" ? "without an ending" : `.${ending}`}`);
  return new DataError(
    `Expected pictures in ${directory} but received other files only (${found.join(", ")}); ` +
      "check the path, or name the table or the shards",
    { source: directory },
  );
}

/** How often each ending occurs, the most frequent first. */
function count(endings: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const ending of endings) counts.set(ending, (counts.get(ending) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
}
