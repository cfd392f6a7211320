import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { endToEndPairs, endToEndPath } from "../../test/support/end-to-end-goldens.ts";
import { describeModel } from "./describe-model.ts";
import { openModel } from "./open-model.ts";

const work = mkdtempSync(join(tmpdir(), "limn-saved-again-"));
after(() => rmSync(work, { recursive: true }));
const isText = (name: string): boolean => /\.(json|txt)$/.test(name);

/** A copy of a model whose texts an editor has written again in another encoding. */
function savedAgain(folder: string, name: string, encode: (text: string) => Buffer): string {
  const copy = join(work, name);
  cpSync(folder, copy, { recursive: true });
  for (const file of readdirSync(copy).filter(isText)) {
    const text = readFileSync(join(copy, file), "utf8");
    writeFileSync(join(copy, file), encode(text));
  }
  return copy;
}

const facts = async (folder: string): Promise<unknown> => {
  const source = await openModel(folder);
  const tokenizer = await source.tokenizer();
  source.close();
  const { tokens } = tokenizer.encodeBatch(["a photo of two cafés"]);
  const description = JSON.stringify(await describeModel(folder)).replaceAll(folder, "");
  return { tokens, description };
};

for (const pair of endToEndPairs.filter((one) => !("file" in one))) {
  test(`${pair.name} is the same model after an editor saved its texts again`, async () => {
    const folder = endToEndPath(pair);
    const expected = await facts(folder);
    const marked = savedAgain(folder, `${pair.name}-mark`, (text) => Buffer.from(`\uFEFF${text}`));
    assert.deepEqual(await facts(marked), expected);
    const wide = savedAgain(folder, `${pair.name}-utf16`, (text) =>
      Buffer.from(`\uFEFF${text}`, "utf16le"),
    );
    assert.deepEqual(await facts(wide), expected);
  });
}
