import { existsSync, readFileSync } from "node:fs";
import { SetupError } from "./context.mjs";
import { older, OLDEST } from "./describe.mjs";
import { run, startLog, tail } from "./process.mjs";
import { stage } from "./report.mjs";
import { searchSystem } from "./search.mjs";

/** @typedef {import("./context.mjs").Context} Context */

const ENVIRONMENT = { DEBIAN_FRONTEND: "noninteractive" };

/** Root on Debian, Ubuntu or one of their kin. */
export function mayUseApt() {
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return false;
  if (!existsSync("/etc/os-release")) return false;
  return /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync("/etc/os-release", "utf8"));
}

/** @param {Context} context */
export async function fetchWithApt(context) {
  if (!mayUseApt()) {
    throw new SetupError(
      "apt installs libtorch only for root on Debian or Ubuntu; " +
        "run: sudo apt-get install libtorch-dev libopenblas0-pthread",
    );
  }
  return stage(
    "libtorch from apt",
    async () => {
      const log = startLog(context.state, "apt");
      await run("apt-get", ["update"], { env: ENVIRONMENT, log });
      const policy = await run("apt-cache", ["policy", "libtorch-dev"], { log });
      const candidate = /Candidate: (\d\S*)/.exec(policy.output)?.[1];
      if (!candidate) throw new SetupError("apt has no libtorch-dev for this system");
      if (older(candidate, OLDEST)) throw new SetupError(`apt's libtorch ${candidate} is too old`);
      await install(["libtorch-dev", "libopenblas0-pthread"], log);
      const { found, reason } = await searchSystem();
      if (!found) throw new SetupError(`apt installed libtorch-dev, but ${reason}`);
      return { ...found, source: "apt" };
    },
    ({ version }) => version,
  );
}

/** Puts OpenBLAS in the reference BLAS's place; false where apt could not. */
export async function installOpenBlas() {
  return stage("OpenBLAS from apt", async () => {
    await run("apt-get", ["update"], { env: ENVIRONMENT });
    try {
      await install(["libopenblas0-pthread"]);
      return true;
    } catch {
      return false;
    }
  });
}

/** Puts libjpeg-turbo's headers there; false where apt could not. */
export async function installJpegHeaders() {
  return stage("libjpeg-turbo from apt", async () => {
    await run("apt-get", ["update"], { env: ENVIRONMENT });
    try {
      await install(["libjpeg-dev"]);
      return true;
    } catch {
      return false;
    }
  });
}

/** @param {string[]} packages @param {string} [log] */
async function install(packages, log) {
  const { code, output } = await run(
    "apt-get",
    ["install", "-y", "--no-install-recommends", ...packages],
    { env: ENVIRONMENT, ...(log ? { log } : {}) },
  );
  if (code !== 0) {
    throw new SetupError(`apt-get install ${packages.join(" ")} failed:\n${tail(output)}`);
  }
}
