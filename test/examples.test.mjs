/** Runs the tests that stand beside the examples; they are TypeScript and are not compiled. */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";
import { libraryAliases } from "../dist/src/cli/options/load-file.js";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const jiti = createJiti(import.meta.url, { alias: libraryAliases(), fsCache: false });

for (const folder of ["examples", "recipes", "bench"]) {
  const full = path.join(root, folder);
  if (!existsSync(full)) continue;
  for (const name of readdirSync(full, { recursive: true }).map(String).sort()) {
    if (name.endsWith(".test.ts") && !name.includes("node_modules")) {
      await jiti.import(path.join(full, name));
    }
  }
}
