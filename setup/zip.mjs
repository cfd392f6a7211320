import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { SetupError } from "./context.mjs";
import { download } from "./download.mjs";
import { stage } from "./report.mjs";
import { searchFolder } from "./search.mjs";
import { unzip } from "./unzip.mjs";

/** @typedef {import("./context.mjs").Context} Context */

const SITE = "https://download.pytorch.org/libtorch/cpu";
const OFFICIAL = {
  "linux x64": [
    `${SITE}/libtorch-shared-with-deps-latest.zip`,
    `${SITE}/libtorch-shared-with-deps-2.8.0%2Bcpu.zip`,
  ],
  "darwin arm64": [`${SITE}/libtorch-macos-arm64-2.8.0.zip`],
};

/** @param {Context} context */
export async function fetchOfficialZip(context) {
  const platform = `${process.platform} ${process.arch}`;
  const places = OFFICIAL[/** @type {keyof typeof OFFICIAL} */ (platform)] ?? [];
  const reasons = [];
  for (const url of places) {
    try {
      return await fetchZip(context, url);
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      reasons.push(error.message);
    }
  }
  throw new SetupError(
    reasons.join("; ") || `pytorch.org has no libtorch zip for ${process.platform} ${process.arch}`,
  );
}

/**
 * Unpacks a zip of libtorch from a path or URL.
 * @param {Context} context
 * @param {string} place
 */
export async function fetchZip(context, place) {
  const target = path.join(context.fetched, "libtorch-zip");
  const partial = `${target}.partial-${process.pid}`;
  return stage(
    `libtorch from ${place}`,
    async () => {
      rmSync(partial, { recursive: true, force: true });
      mkdirSync(partial, { recursive: true });
      try {
        const archive = await toFile(place, partial);
        await unzip(archive, partial);
        if (archive !== path.resolve(place)) rmSync(archive);
        rmSync(target, { recursive: true, force: true });
        renameSync(partial, target);
      } finally {
        rmSync(partial, { recursive: true, force: true });
      }
      const { found, reason } = await searchFolder("zip", target);
      if (!found) throw new SetupError(`the zip from ${place} cannot be used: ${reason}`);
      return found;
    },
    ({ version }) => version,
  );
}

/** @param {string} place @param {string} folder */
async function toFile(place, folder) {
  if (/^https?:/.test(place)) {
    const file = path.join(folder, "download.zip");
    await download(place, file);
    return file;
  }
  const file = path.resolve(place);
  if (!existsSync(file)) throw new SetupError(`Expected a zip of libtorch but ${file} is missing.`);
  return file;
}
