/** Counts how often files are opened or read, at node's own file system. For tests. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import path from "node:path";
import { mock } from "node:test";

/** Runs `body`; returns how often each file under `folder` was opened, by its name there. */
export async function countReads(
  folder: string,
  body: () => Promise<unknown>,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const count = (file: unknown): void => {
    if (typeof file !== "string" && !(file instanceof URL)) return;
    const name = path.relative(folder, path.resolve(String(file)));
    if (name !== "" && !name.startsWith("..")) counts[name] = (counts[name] ?? 0) + 1;
  };
  const mocks = [
    ...(["openSync", "readFileSync", "createReadStream"] as const).map((name) => watch(fs, name)),
    ...(["open", "readFile"] as const).map((name) => watch(fs.promises, name)),
  ];
  syncBuiltinESMExports();
  try {
    await body();
    return counts;
  } finally {
    for (const one of mocks) one.mock.restore();
    syncBuiltinESMExports();
  }

  function watch<T extends object, K extends keyof T>(from: T, name: K) {
    const original = from[name] as (...args: unknown[]) => unknown;
    const counting = (...args: unknown[]): unknown => {
      count(args[0]);
      return original(...args);
    };
    return mock.method(from as Record<K, (...args: unknown[]) => unknown>, name, counting);
  }
}
