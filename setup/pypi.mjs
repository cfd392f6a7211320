import { rmSync } from "node:fs";
import path from "node:path";
import { SetupError } from "./context.mjs";
import { download, request } from "./download.mjs";
import { readZipText, unzip } from "./unzip.mjs";

/**
 * PyPI without Python: its JSON interface names the wheels, and of torch's wheel only the libraries
 * and headers are unpacked.
 *
 * @typedef {{filename: string, url: string, digests: {sha256: string}}} File
 * @typedef {{info: {version: string, requires_dist: string[] | null},
 *   releases: Record<string, File[]>}} Project
 */

/**
 * @param {string} target
 * @param {{gpu: boolean, parts: string[]}} options `parts` of the CUDA toolkit where no GPU is
 */
export async function fetchWheelFiles(target, { gpu, parts }) {
  const torch = await readProject("torch");
  const requirements = await fetchAndUnpack(torch, torch.info.version, target, (name) =>
    isNeeded(name, gpu),
  );
  for (const { name, version } of await cudaPackages(requirements, target, { gpu, parts })) {
    const project = await readProject(name);
    const exact = newestMatching(project, version);
    await fetchAndUnpack(project, exact, target, (entry) => /\.so(\.|$)/.test(entry));
  }
}

/**
 * Whether a file of torch's wheel serves libtorch; most of the wheel is Python, and CUDA's half is for a GPU.
 * @param {string} name with its path in the wheel
 * @param {boolean} gpu
 */
export function isNeeded(name, gpu) {
  if (!/^torch\/(lib|include)\//.test(name)) return false;
  return gpu || !/\/lib(torch|c10|caffe2)_(cuda|nvrtc|nvshmem|python)/.test(name);
}

/**
 * Which nvidia packages the lines of `Requires-Dist` ask for.
 * @param {string[]} requirements
 * @param {string} target
 * @param {{gpu: boolean, parts: string[]}} options
 */
async function cudaPackages(requirements, target, { gpu, parts }) {
  const packages = [];
  for (const line of requirements.filter((one) => !/extra ==/.test(one))) {
    const match = /^((?:nvidia-|cuda-toolkit)[\w-]*)(?:\[([^\]]*)\])?==([\w.*]+)/.exec(line);
    if (!match) continue;
    const [, name = "", extras = "", version = ""] = match;
    if (name === "cuda-toolkit") {
      const project = await readProject(name);
      const lines = await readRequirements(project, version, target);
      for (const extra of gpu ? extras.split(",") : parts) {
        const wanted = lines.filter((one) => new RegExp(`extra == .${extra.trim()}\\W`).test(one));
        for (const one of wanted) {
          const [, part = "", exact = ""] = /^([\w-]+)==([\w.*]+)/.exec(one) ?? [];
          if (part) packages.push({ name: part, version: exact });
        }
      }
    } else if (gpu || /^nvidia-cuda-(runtime|cupti)/.test(name)) packages.push({ name, version });
  }
  return packages;
}

/**
 * An index that gives no hash, as a mirror may, is not trusted with code.
 * @param {{url: string, digests?: {sha256?: string}}} wheel
 */
function hashOf({ url, digests }) {
  const sha256 = digests?.sha256 ?? "";
  if (/^[0-9a-f]{64}$/.test(sha256)) return sha256;
  throw new SetupError(
    `Expected a sha256 for ${url} in the index but received ${sha256 === "" ? "none" : sha256}; ` +
      "use an index that gives hashes, or another LIMN_LIBTORCH.",
  );
}

/** @param {Project} project @param {string} version @param {string} target */
async function readRequirements(project, version, target) {
  const file = path.join(target, "metadata.whl");
  const wheel = pickWheel(project.releases[version] ?? [], `${version} of the CUDA toolkit`);
  await download(wheel.url, file, hashOf(wheel));
  const text = await readZipText(file, (name) => name.endsWith(".dist-info/METADATA"));
  rmSync(file);
  return [...text.matchAll(/^Requires-Dist: (.*)$/gm)].map(([, line = ""]) => line);
}

/**
 * @param {Project} project
 * @param {string} version
 * @param {string} target
 * @param {(name: string) => boolean} wanted
 * @returns {Promise<string[]>} its requirements
 */
async function fetchAndUnpack(project, version, target, wanted) {
  const wheel = pickWheel(project.releases[version] ?? [], version);
  const file = path.join(target, wheel.filename);
  await download(wheel.url, file, hashOf(wheel));
  await unzip(file, target, wanted);
  rmSync(file);
  return project.info.requires_dist ?? [];
}

/** @param {string} name @returns {Promise<Project>} */
async function readProject(name) {
  const response = await request(`https://pypi.org/pypi/${name}/json`);
  const project = /** @type {Project} */ (await response.json());
  // a mirror may name its files relative to the answer
  for (const file of Object.values(project.releases).flat()) {
    file.url = new URL(file.url, response.url).href;
  }
  return project;
}

/**
 * The newest version that `13.2.86.*` or an exact version allows.
 * @param {Project} project
 * @param {string} pattern
 */
function newestMatching(project, pattern) {
  const stem = pattern.replace(/\.\*$/, "");
  const versions = Object.keys(project.releases).filter(
    (version) => version === stem || (pattern !== stem && version.startsWith(`${stem}.`)),
  );
  const order = new Intl.Collator("en", { numeric: true });
  return versions.sort(order.compare).at(-1) ?? stem;
}

/**
 * The wheel for this platform; which Python it is for makes no difference to the libraries.
 * @param {File[]} files
 * @param {string} what
 */
function pickWheel(files, what) {
  const machine = { x64: "x86_64", arm64: process.platform === "darwin" ? "arm64" : "aarch64" };
  const tag = machine[/** @type {"x64"} */ (process.arch)] ?? process.arch;
  const system = process.platform === "darwin" ? "macosx" : "linux";
  const wheel = files.find(
    ({ filename }) =>
      filename.endsWith("-any.whl") ||
      (filename.includes(system) && filename.endsWith(`_${tag}.whl`) && !/musl/.test(filename)),
  );
  if (wheel) return wheel;
  throw new SetupError(`PyPI has no wheel ${what} for ${process.platform} ${process.arch}`);
}
