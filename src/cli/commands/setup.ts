/** `limn setup`: find or fetch libtorch and build the engine. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { packageRoot } from "../../engine/engine-info.ts";
import { defineCommand, type Command } from "../command.ts";

/** bin/limn.mjs runs setup without this file, since it must work before dist/ is built. */
const command: Command = defineCommand({
  name: "setup",
  summary: "Finds or fetches libtorch and builds the engine; what is up to date is left alone.",
  options: { force: { type: "boolean", help: "search for libtorch and build again" } },
  examples: ["npx limn setup", "LIMN_LIBTORCH=python npx limn setup --force"],
  async run({ options }) {
    const script = path.join(packageRoot(), "setup.mjs");
    const flags = options.force ? ["--force"] : [];
    const { status } = spawnSync(process.execPath, [script, ...flags], { stdio: "inherit" });
    return Promise.resolve(status ?? 1);
  },
});
export default command;
