import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { SetupError } from "./context.mjs";
import { run, startLog, tail } from "./process.mjs";
import { stage } from "./report.mjs";

/** @typedef {import("./context.mjs").Context} Context */

/**
 * Whether dist/ was compiled from the sources as they are: their names, sizes and times.
 * @param {Context} context
 */
export function typescriptReady({ root }) {
  const stamp = stampFile(root);
  return existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint(root);
}

/** @param {Context} context */
export async function compileTypeScript(context) {
  const { root } = context;
  await stage("TypeScript", async () => {
    const log = startLog(context.state, "typescript");
    const before = fingerprint(root);
    removeOrphans(root);
    const compiler = path.join(root, "node_modules", "typescript");
    const { bin } = JSON.parse(readFileSync(path.join(compiler, "package.json"), "utf8"));
    const args = [path.join(compiler, bin.tsc), "-p", "tsconfig.json", "--pretty", "false"];
    const { code, output } = await run(process.execPath, args, { cwd: root, log });
    if (code !== 0) {
      const count = output.match(/error TS\d+/g)?.length ?? 0;
      throw new SetupError(
        `tsc reports ${count} error(s):\n${tail(output.split("\n").slice(0, 6).join("\n"))}\n` +
          `  All are in ${log}.`,
      );
    }
    writeFileSync(stampFile(root), before);
  });
}

/** @param {string} root */
function stampFile(root) {
  return path.join(root, "dist", ".stamp");
}

/** @param {string} root */
function fingerprint(root) {
  const hash = createHash("sha256");
  const files = ["tsconfig.json", "package.json"];
  for (const folder of ["src", path.join("test", "support")]) {
    const names = readdirSync(path.join(root, folder), { recursive: true }).map(String).sort();
    files.push(
      ...names.filter((name) => name.endsWith(".ts")).map((name) => path.join(folder, name)),
    );
  }
  for (const name of files) {
    const { size, mtimeMs } = statSync(path.join(root, name));
    hash.update(`${name} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex");
}

/**
 * A compiled file whose source is gone would still be run by the tests.
 * @param {string} root
 */
function removeOrphans(root) {
  const dist = path.join(root, "dist");
  if (!existsSync(dist)) return;
  for (const name of readdirSync(dist, { recursive: true }).map(String)) {
    const match = /^(.*?)(\.d\.ts|\.js|\.js\.map)$/.exec(name);
    if (match && !existsSync(path.join(root, `${match[1]}.ts`))) {
      rmSync(path.join(dist, name), { force: true });
    }
  }
}
