import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { assertClose } from "../../test/support/close.ts";
import { readSafetensors, writeSafetensors } from "../checkpoints/weights/safetensors.ts";
import { cat, fromData, type Tensor } from "../torch/index.ts";
import { loadTokenizer } from "../text/index.ts";
import { loadModel } from "./load-model.ts";

interface EnlargedCase {
  model: string;
  table: string;
  files: Record<string, string>;
  removed: string[];
  rows: string;
  ids: number[][];
  textEmbeddings: string;
}

const goldens = fileURLToPath(new URL("../../../test/goldens", import.meta.url));
const golden = JSON.parse(
  gunzipSync(readFileSync(join(goldens, "enlarged-vocabularies.json.gz"))).toString(),
) as {
  rtol: number;
  atol: number;
  texts: string[];
  cases: Record<string, EnlargedCase>;
  rows: Record<string, { files: Record<string, string>; ids: number[] }>;
};

const root = mkdtempSync(join(tmpdir(), "limn-enlarged-"));
after(() => rmSync(root, { recursive: true, force: true }));

const floats = (text: string): Float32Array =>
  new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);

/** The tiny model of the goldens with the case's files and its longer table of tokens. */
function folderOf(name: string, { model, table, files, removed, rows }: EnlargedCase): string {
  const folder = join(root, name.replaceAll(" ", "-"));
  cpSync(join(goldens, "models", model), folder, { recursive: true });
  for (const file of removed) rmSync(join(folder, file));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  const weights = new Map<string, Tensor>();
  const file = join(folder, "model.safetensors");
  using stored = readSafetensors(file);
  for (const one of stored.names) weights.set(one, stored.tensor(one));
  const old = weights.get(table)!;
  const added = fromData(floats(rows)).view(-1, old.size(1));
  weights.set(table, cat([old, added], 0));
  writeSafetensors(file, weights);
  return folder;
}

describe("a model whose vocabulary was enlarged", () => {
  for (const [name, one] of Object.entries(golden.cases)) {
    it(`computes what transformers does: ${name}`, async () => {
      const model = await loadModel(folderOf(name, one));
      try {
        const { tokens } = model.tokenizer.encodeBatch(golden.texts);
        const { contextLength } = model.tokenizer;
        const ids = golden.texts.map((_, i) => [
          ...tokens.subarray(i * contextLength, (i + 1) * contextLength),
        ]);
        assert.deepEqual(ids, one.ids);
        const rows = model.encodeTexts(golden.texts).toFloat32Array();
        assertClose(rows, floats(one.textEmbeddings), golden, "text");
      } finally {
        model.dispose();
      }
    });
  }
});

describe("a tokenizer whose files say more than one length", () => {
  for (const [name, { files, ids }] of Object.entries(golden.rows)) {
    it(`makes rows as transformers does: ${name}`, async () => {
      const folder = join(root, name.replaceAll(" ", "-"));
      mkdirSync(folder);
      for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
      const tokenizer = await loadTokenizer(folder);
      assert.deepEqual([...tokenizer.encode("a photo of the cat").ids], ids);
    });
  }

  it("is cut as sentence-transformers says, and as tokenizer.json says where no other limit is", async () => {
    const { files } = golden.rows["a tokenizer.json that cuts sooner"]!;
    const folder = join(root, "sentences");
    mkdirSync(folder);
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
    writeFileSync(join(folder, "sentence_bert_config.json"), '{"max_seq_length": 7}');
    assert.equal((await loadTokenizer(folder)).contextLength, 7);
    writeFileSync(join(folder, "sentence_bert_config.json"), '{"max_seq_length": null}');
    assert.equal((await loadTokenizer(folder)).contextLength, 16);
    const endless = JSON.stringify({
      ...(JSON.parse(files["tokenizer_config.json"]!) as object),
      model_max_length: 1e30,
    });
    writeFileSync(join(folder, "tokenizer_config.json"), endless);
    assert.equal((await loadTokenizer(folder)).contextLength, 8);
  });
});
