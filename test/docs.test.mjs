/** The generated tables of docs/recipes.md are those of the schemas, and say something of each key. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { file, generate, undescribed } from "../docs/generate.mjs";

test("the tables of recipes are up to date; npm run docs makes them anew", async () => {
  const text = readFileSync(file, "utf8");
  assert.equal(await generate(text), text);
});

test("every key of a recipe has a description", async () => {
  await generate(readFileSync(file, "utf8"));
  assert.deepEqual([...undescribed], []);
});

test("no line of a generated table is too long to read", async () => {
  const text = await generate(readFileSync(file, "utf8"));
  const parts = [...text.matchAll(/<!-- generated: [\w ]+ -->([\s\S]*?)<!-- end -->/g)];
  const lines = parts.flatMap(([, part = ""]) => part.split("\n"));
  assert.deepEqual(
    lines.filter((line) => line.length > 200),
    [],
  );
});
