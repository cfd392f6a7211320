import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { SetupError } from "./context.mjs";
import { download } from "./download.mjs";
import { note, stage } from "./report.mjs";
import { searchFolder } from "./search.mjs";
import { unzip } from "./unzip.mjs";

/** @typedef {import("./context.mjs").Context} Context */

/**
 * pytorch.org publishes no hashes. These are the ones that public projects (WasmEdge among them) check
 * the same archives by when they build; another archive at the address is refused.
 */
const SITE = "https://download.pytorch.org/libtorch/cpu";
const OFFICIAL = {
  "linux x64": {
    url: `${SITE}/libtorch-cxx11-abi-shared-with-deps-2.5.1%2Bcpu.zip`,
    sha256: "618ca54eef82a1dca46ff1993d5807d9c0deb0bae147da4974166a147cb562fa",
  },
  "darwin arm64": {
    url: `${SITE}/libtorch-macos-arm64-2.5.1.zip`,
    sha256: "0822824c1df267159a649ad4701518217c60b8f75de056a26ab43958d8ab1622",
  },
};

/** @param {Context} context */
export async function fetchOfficialZip(context) {
  const platform = `${process.platform} ${process.arch}`;
  const official = OFFICIAL[/** @type {keyof typeof OFFICIAL} */ (platform)];
  if (!official) throw new SetupError(`pytorch.org has no libtorch zip for ${platform}`);
  return fetchZip(context, `${official.url}#sha256=${official.sha256}`);
}

/**
 * Unpacks a zip of libtorch from a path, or from a URL with its hash: `https://...zip#sha256=...`.
 * @param {Context} context
 * @param {string} place
 */
export async function fetchZip(context, place) {
  const [address, sha256] = splitHash(place);
  const target = path.join(context.fetched, "libtorch-zip");
  const partial = `${target}.partial-${process.pid}`;
  let digest = "";
  const libtorch = await stage(
    `libtorch from ${address}`,
    async () => {
      rmSync(partial, { recursive: true, force: true });
      mkdirSync(partial, { recursive: true });
      try {
        const archive = isURL(address) ? path.join(partial, "download.zip") : path.resolve(address);
        if (isURL(address)) digest = await download(address, archive, sha256);
        else if (!existsSync(archive)) {
          throw new SetupError(`Expected a zip of libtorch but ${archive} is missing.`);
        }
        await unzip(archive, partial);
        if (isURL(address)) rmSync(archive);
        rmSync(target, { recursive: true, force: true });
        renameSync(partial, target);
      } finally {
        rmSync(partial, { recursive: true, force: true });
      }
      const { found, reason } = await searchFolder("zip", target);
      if (!found) throw new SetupError(`the zip from ${address} cannot be used: ${reason}`);
      return found;
    },
    ({ version }) => version,
  );
  if (digest !== "" && sha256 === undefined) {
    note(`${address} was not checked; ${address}#sha256=${digest} will be`);
  }
  return libtorch;
}

/**
 * What lies at a URL may change, and plain http protects nothing on its way: there the hash is
 * needed. With https it may be left out by who trusts the server.
 * @param {string} place
 * @returns {[string, string?]}
 */
function splitHash(place) {
  if (!isURL(place)) return [place];
  const [address = "", fragment] = place.split("#");
  const sha256 = /^sha256=([0-9a-f]{64})$/i.exec(fragment ?? "")?.[1]?.toLowerCase();
  if (fragment === undefined && address.startsWith("https:")) return [address];
  if (sha256 === undefined) {
    throw new SetupError(
      `Expected #sha256=<64 hexadecimal digits> after ${address} for LIMN_LIBTORCH but received ` +
        `${fragment === undefined ? "nothing" : `#${fragment}`}; ask the archive's publisher for it.`,
    );
  }
  return [address, sha256];
}

/** @param {string} place */
function isURL(place) {
  return /^https?:/.test(place);
}
