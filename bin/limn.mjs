#!/usr/bin/env node
import { existsSync } from "node:fs";
import { checkNode } from "../setup/node-version.mjs";

checkNode();
// `limn ... | head` ends the reader first; that is no failure
process.stdout.on("error", (error) => {
  if (error.code === "EPIPE") process.exit(0);
  console.error(
    `limn: Expected room for standard output but received ${error.code}; ` +
      "free some space, or send it elsewhere, and try again",
  );
  process.exit(4);
});
// What cannot be said to anybody does not end a run.
process.stderr.on("error", () => {});
const [command, ...rest] = process.argv.slice(2);
const compiled = new URL("../dist/src/cli/main.js", import.meta.url);
if (command === "setup") {
  const { main } = await import("../setup/main.mjs");
  await main(rest);
} else if (existsSync(compiled)) {
  const { main } = await import(compiled.href);
  process.exitCode = await main(process.argv.slice(2));
} else {
  console.error("limn: Expected dist/ but limn is not built yet; run: npm run setup");
  process.exitCode = 1;
}
