/** A local hub with one small model, an empty cache, and a shorthand to fetch from it. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { fetchModel } from "../../src/hub/fetch-model.ts";
import type { FetchOptions } from "../../src/hub/fetch-repository.ts";
import { someBytes, startLocalHub, type LocalHub, type LocalRepository } from "./local-hub.ts";

export const commit = "0123456789abcdef0123456789abcdef01234567";
export const weights = someBytes(300_000);
export const config = Buffer.from('{"model_type": "clip"}\n');

export const model: LocalRepository = {
  commit,
  revisions: ["main", "v1", "refs/pr/1"],
  files: {
    "config.json": { bytes: config, lfs: false },
    "model.safetensors": { bytes: weights, lfs: true },
    "pytorch_model.bin": { bytes: someBytes(1000, 2), lfs: true },
    "text encoder/vocab.txt": { bytes: Buffer.from("a\nb\n"), lfs: false },
  },
};

export const needed = ["config.json", "model.safetensors"];

export interface HubFixture {
  readonly hub: LocalHub;
  readonly cache: string;
  readonly repository: string;
  readonly warnings: string[];
  readonly fetch: (reference?: string, options?: Partial<FetchOptions>) => Promise<string>;
  /** `METHOD path` of the requests since the last call */
  readonly requests: () => string[];
  /** names of the files in a folder of the repository's cache, folders included */
  readonly listed: (folder: string) => string[];
}

export async function hubFixture(t: TestContext): Promise<HubFixture> {
  const hub = await startLocalHub({ "org/model": model });
  const cache = mkdtempSync(path.join(tmpdir(), "limn-hub-"));
  const repository = path.join(cache, "models--org--model");
  const warnings: string[] = [];
  t.after(async () => {
    await hub.close();
    rmSync(cache, { recursive: true, force: true });
  });
  return {
    hub,
    cache,
    repository,
    warnings,
    fetch: (reference = "hf://org/model", options = {}) =>
      fetchModel(reference, {
        choose: (files) => needed.filter((name) => files.some((file) => file.path === name)),
        onWarning: (message) => warnings.push(message),
        cacheFolder: cache,
        endpoint: hub.endpoint,
        environment: { HOME: cache },
        backoffMs: 2,
        ...options,
      }),
    requests: () => hub.log.splice(0).map(({ method, url }) => `${method} ${url.split("?")[0]}`),
    listed(folder) {
      try {
        return readdirSync(path.join(repository, folder), { recursive: true }).map(String).sort();
      } catch {
        return [];
      }
    },
  };
}

/** The body of a failure that a test expects: its kind and its words. */
export function failsWith(failure: string, message: RegExp): (error: unknown) => true {
  return (error) => {
    const found = error as { failure?: string; message: string };
    if (found.failure === failure && message.test(found.message)) return true;
    throw new Error(`Expected ${failure} ${String(message)}`, { cause: error });
  };
}
