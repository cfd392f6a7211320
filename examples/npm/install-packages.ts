/** npm's packages of an example in a folder of their own. Prints only through what it is given. */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface InstallOptions {
  /** The `package.json` whose dependencies are wanted. */
  manifest: string;
  folder: string;
  /** What they hold, such as "icons". */
  what: string;
  /** Told before something is fetched. */
  note: (line: string) => void;
  /** The line for `note`. */
  announcement: string;
}

/**
 * Installs what `manifest` asks for, once.
 *
 * returns  the folder, with `node_modules` in it
 * throws   Error with npm's last words
 */
export function installPackages(options: InstallOptions): string {
  const { manifest, folder, what, note, announcement } = options;
  const wanted = readFileSync(manifest, "utf8");
  const stamp = join(folder, "installed.json");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return folder;
  note(announcement);
  mkdirSync(folder, { recursive: true });
  copyFileSync(manifest, join(folder, "package.json"));
  const args = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
  const run = spawnSync("npm", args, { cwd: folder, encoding: "utf8", shell: false });
  if (run.status !== 0) {
    const reason = (run.error?.message ?? run.stderr).trim().split("\n").slice(-3).join(" ");
    throw new Error(
      `Expected npm to install the packages of ${what} in ${folder} but it failed: ${reason}; ` +
        "check the network and npm's settings, then run the same command again",
    );
  }
  writeFileSync(stamp, wanted);
  return folder;
}
