import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { digest, nodeHeaders, prune } from "./addon.mjs";
import { installJpegHeaders, mayUseApt } from "./apt.mjs";
import { NAPI_VERSION, hashSources, nativeFiles } from "./context.mjs";
import { run, startLog, tail } from "./process.mjs";
import { note, stage } from "./report.mjs";

/**
 * The addon that decodes and resizes pictures, as engine.json records it.
 * @typedef {object} Pixels
 * @property {string | null} addon relative to the folder of engine.json; null where it could not be built
 * @property {string | null} jpeg the JPEG library in it; null: sharp decodes
 * @property {string} sources the hash of native/pixels/
 *
 * @typedef {import("./context.mjs").Context} Context
 * @typedef {import("./compiler.mjs").Compiler} Compiler
 */

const FOLDER = "native/pixels";
const KEPT_BUILDS = 3;
/** Where Homebrew keeps libjpeg-turbo, beside the folders that compilers search by themselves. */
const HOMEBREW = ["/opt/homebrew/opt/jpeg-turbo", "/usr/local/opt/jpeg-turbo"];

/**
 * Builds the addon, with libjpeg-turbo where its headers are. It is optional: sharp and plain loops do
 * the same, slower.
 * @param {{context: Context, compiler: Compiler}} plan
 * @returns {Promise<Pixels>}
 */
export async function setUpPixels({ context, compiler }) {
  const sources = hashSources(context.root, FOLDER);
  let jpeg = await findJpeg(context, compiler);
  if (!jpeg && mayUseApt() && (await installJpegHeaders())) {
    jpeg = await findJpeg(context, compiler);
  }
  for (const flags of jpeg ? [jpeg, null] : [null]) {
    const addon = await buildPixels({ context, compiler }, flags);
    const library = addon && (await jpegLibraryOf(addon));
    if (addon && library !== undefined) {
      return { addon: path.relative(context.state, addon), jpeg: library, sources };
    }
  }
  return { addon: null, jpeg: null, sources };
}

/**
 * Whether the recorded addon is of these sources and still there.
 * @param {Context} context
 * @param {Pixels | undefined} pixels
 */
export function pixelsReady(context, pixels) {
  if (pixels?.sources !== hashSources(context.root, FOLDER)) return false;
  return pixels.addon === null || existsSync(path.join(context.state, pixels.addon));
}

/**
 * The compiler's flags for libjpeg-turbo, found by linking a program with it; null where there is none.
 * @param {Context} context
 * @param {Compiler} compiler
 * @returns {Promise<string[] | null>}
 */
async function findJpeg({ state }, { command }) {
  const trial = path.join(state, "jpeg-trial.cc");
  mkdirSync(state, { recursive: true });
  writeFileSync(
    trial,
    "#include <cstdio>\n#include <jpeglib.h>\n#ifndef LIBJPEG_TURBO_VERSION\n#error\n#endif\n" +
      "int main() { jpeg_error_mgr errors; jpeg_std_error(&errors); " +
      "jpeg_decompress_struct info; info.err = &errors; jpeg_create_decompress(&info); " +
      "jpeg_skip_scanlines(&info, 0); }\n",
  );
  const places = HOMEBREW.filter((folder) => existsSync(folder)).map((folder) => [
    ...["-isystem", `${folder}/include`],
    ...[`-L${folder}/lib`, `-Wl,-rpath,${folder}/lib`],
  ]);
  for (const place of [[], ...places]) {
    const flags = [...place, "-ljpeg"];
    const args = ["-x", "c++", trial, "-o", path.join(state, "jpeg-trial"), ...flags];
    if ((await run(command, args)).code === 0) return flags;
  }
  return null;
}

/**
 * @param {{context: Context, compiler: Compiler}} plan
 * @param {string[] | null} jpeg the flags for libjpeg-turbo
 * @returns {Promise<string | undefined>} the addon's path; undefined where it does not compile
 */
async function buildPixels({ context, compiler }, jpeg) {
  const { root, state, force } = context;
  const files = nativeFiles(root, FOLDER);
  const headers = nodeHeaders(root);
  const flags = [
    ...["-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-shared"],
    `-DNAPI_VERSION=${NAPI_VERSION}`,
    ...(process.platform === "darwin" ? ["-undefined", "dynamic_lookup"] : []),
    ...(jpeg ? ["-DLIMN_PIXELS_JPEG"] : []),
  ];
  const texts = files.map((name) => readFileSync(path.join(root, FOLDER, name), "utf8"));
  const key = digest(
    ...[...texts, ...flags, ...(jpeg ?? []), compiler.version],
    ...[headers.version, process.platform, process.arch],
  );
  const folder = path.join(state, "pixels", key);
  const addon = path.join(folder, "pixels.node");
  if (existsSync(addon) && !force) {
    utimesSync(folder, new Date(), new Date());
    return addon;
  }
  return stage(
    jpeg ? "pictures with libjpeg-turbo" : "pictures",
    async () => {
      mkdirSync(folder, { recursive: true });
      const log = startLog(state, "pixels");
      const partial = `${addon}.${process.pid}`;
      const sources = files.filter((name) => name.endsWith(".cc"));
      const args = [
        ...[...flags, "-isystem", headers.include],
        ...sources.map((name) => `${FOLDER}/${name}`),
        ...["-o", partial, ...(jpeg ?? [])],
      ];
      const { code, output } = await run(compiler.command, args, { cwd: root, log });
      if (code !== 0) {
        note(`native/pixels does not compile, so pictures are read more slowly:\n${tail(output)}`);
        return undefined;
      }
      renameSync(partial, addon);
      prune(path.join(state, "pixels"), KEPT_BUILDS);
      return addon;
    },
    (built) => (built ? "" : "left out"),
  );
}

const TRIAL = `
  const module = { exports: {} };
  process.dlopen(module, process.argv[1]);
  console.log("JPEG " + JSON.stringify(module.exports.jpegLibrary()));`;

/**
 * Loads the addon in a process of its own.
 * @param {string} addon
 * @returns {Promise<string | null | undefined>} its JPEG library; undefined where it does not load
 */
async function jpegLibraryOf(addon) {
  const { code, output } = await run(process.execPath, ["-e", TRIAL, addon]);
  const said = /^JPEG (.*)$/m.exec(output)?.[1];
  if (code === 0 && said) return JSON.parse(said);
  note(`the addon for pictures does not load, so they are read more slowly:\n${tail(output)}`);
  return undefined;
}
