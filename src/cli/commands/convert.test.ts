/** What `limn convert` says of what another library does with the folder. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { runLimn } from "../../../test/support/run-limn.ts";

const golden = fileURLToPath(new URL("../../../../test/goldens/models/clip", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "limn-convert-"));
after(() => rmSync(root, { recursive: true }));

test("open_clip is said to read added tokens and half a pixel in its own way, limn's layout is not", async () => {
  const model = join(root, "model");
  cpSync(golden, model, { recursive: true });
  const said = async (folder: string, to: string): Promise<string> => {
    const { code, err } = await runLimn("convert", model, join(root, folder), "--to", to);
    assert.equal(code, 0, err);
    return err;
  };
  assert.match(await said("plain", "open-clip"), /a pixel elsewhere/);
  const file = join(model, "tokenizer_config.json");
  const config = JSON.parse(readFileSync(file, "utf8")) as object;
  // A token of the vocabulary that the files give a part to.
  writeFileSync(file, JSON.stringify({ ...config, pad_token: "!" }));
  assert.match(await said("added", "open-clip"), /tokens that were added to this model's/);
  assert.equal(await said("own", "limn"), "");
});
