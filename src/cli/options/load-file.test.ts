import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { RecipeError } from "../../errors.ts";
import { loadFile } from "./load-file.ts";

const folder = mkdtempSync(path.join(tmpdir(), "limn-load-"));
after(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

test("a file that is missing, broken or without a default export is refused by name", async () => {
  const cases: [string, RegExp][] = [
    [path.join(folder, "none.ts"), /^Expected a file at .*none\.ts but found none; check the path/],
    [write("broken.json", "{"), /^Expected a file that loads at .*broken\.json but received: /],
    [write("broken.ts", "export default {"), /^Expected a file that loads at .*broken\.ts/],
    [write("throws.ts", 'throw new Error("no luck");'), /throws\.ts but received: no luck/],
    [write("import.ts", 'import "./nowhere.ts";'), /import\.ts but received: .*nowhere/],
    [write("named.ts", "export const recipe = {};"), /^Expected a default export in .*named\.ts/],
  ];
  for (const [file, message] of cases) {
    await assert.rejects(loadFile(file), { name: "UsageError", message }, file);
  }
});

test("JSON, JavaScript and TypeScript give their value, with what they import", async () => {
  assert.deepEqual(await loadFile(write("a.json", '{"name":"a"}')), { name: "a" });
  assert.deepEqual(await loadFile(write("b.mjs", "export default { b: 1 };")), { b: 1 });
  write("part.ts", "export const size: number = 3;");
  const file = write("c.ts", 'import { size } from "./part.ts";\nexport default { size };');
  assert.deepEqual(await loadFile(file), { size: 3 });
});

test("a recipe imports the library that runs it, wherever the recipe lies", async () => {
  const file = write(
    "recipe.ts",
    `import { defineRecipe, RecipeError } from "limn";
     const recipe = defineRecipe({ name: "x" } as never);
     export default { recipe, RecipeError };`,
  );
  const loaded = (await loadFile(file)) as { recipe: unknown; RecipeError: unknown };
  assert.deepEqual(loaded.recipe, { name: "x" });
  // one copy of each class, or instanceof would fail between recipe and library
  assert.equal(loaded.RecipeError, RecipeError);
});
