/** Parameters and buffers of a TorchScript module by their dotted names, as its `state_dict()`. */
import type { ZipArchive } from "../zip.ts";
import { PickleRecord, StoredTensor } from "./pickle-values.ts";

/** The classes of an archive, from the source beside its pickle; only their headers are looked at. */
export class ModuleClasses {
  readonly #archive: ZipArchive;
  readonly #folder: string;
  /** Per file of source: the class to its parameters and buffers. */
  readonly #files = new Map<string, ReadonlyMap<string, ReadonlySet<string>>>();

  constructor(archive: ZipArchive, folder: string) {
    this.#archive = archive;
    this.#folder = folder;
  }

  /** Names of the class's parameters and buffers; undefined where its source does not say. */
  declared(className: string): ReadonlySet<string> | undefined {
    const parts = className.split(".");
    const name = parts.pop() ?? "";
    const file = `${this.#folder}${parts.join("/")}.py`;
    const classes = this.#files.get(file) ?? this.#read(file);
    this.#files.set(file, classes);
    return classes.get(name);
  }

  #read(file: string): ReadonlyMap<string, ReadonlySet<string>> {
    const entry = this.#archive.entries.get(file);
    const classes = new Map<string, ReadonlySet<string>>();
    if (entry === undefined) return classes;
    const text = Buffer.from(this.#archive.read(entry, mostSource)).toString("utf8");
    const heads =
      /^class (\w+)\(Module\):\n {2}__parameters__ = \[([^\]]*)\]\n {2}__buffers__ = \[([^\]]*)\]/gm;
    for (const [, name = "", parameters = "", buffers = ""] of text.matchAll(heads)) {
      const names = `${parameters}${buffers}`.matchAll(/"([^"]*)"/g);
      classes.set(name, new Set([...names].map(([, found = ""]) => found)));
    }
    return classes;
  }
}

const mostSource = 1 << 24;

/**
 * Tensors by dotted name. Where the source says which attributes are parameters and buffers, others
 * are left out; all count where it does not (PyTorch before 1.7).
 *
 * budget  attributes that may be looked at
 * throws  Error, with the cause alone, for modules that hold themselves
 */
export function flattenModules(
  root: PickleRecord,
  classes: ModuleClasses,
  budget: number,
): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  let left = budget;
  const walk = (record: PickleRecord, prefix: string, level: number): void => {
    if (level > 100) throw new Error("its modules are nested without end");
    const declared = classes.declared(record.className);
    for (const [key, value] of record.attributes.entries) {
      if (left-- <= 0) throw new Error("its modules are nested without end");
      const name = `${prefix}${String(key)}`;
      if (value instanceof PickleRecord) walk(value, `${name}.`, level + 1);
      else if (value instanceof StoredTensor && (declared?.has(String(key)) ?? true)) {
        tensors.set(name, value);
      }
    }
  };
  walk(root, "", 0);
  return tensors;
}
