import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { createTokenizer, loadTokenizer } from "./load-tokenizer.ts";
import { saveTokenizer } from "./save-tokenizer.ts";
import type { Tokenizer } from "./tokenizer-description.ts";
import type { VocabularyKind } from "./train/train-model.ts";
import { trainTokenizer } from "./train/train-tokenizer.ts";

interface Golden {
  texts: string[];
  bert: { vocab: string[]; ids: number[][] };
  sentencePiece: { model: string; texts: string[]; ids: number[][] };
  steps: Record<string, { file: object; ids: number[][] }>;
  trained: { kind: VocabularyKind; vocabSize: number; file: object; ids: number[][] }[];
}

const golden = JSON.parse(
  gunzipSync(
    readFileSync(new URL("../../../test/goldens/vocabularies.json.gz", import.meta.url)),
  ).toString("utf8"),
) as Golden;

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "limn-vocabularies-"));
});
after(() => rm(folder, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await mkdir(join(folder, name, ".."), { recursive: true });
  await writeFile(join(folder, name), content);
  return join(folder, name);
}

function check(tokenizer: Tokenizer, texts: readonly string[], ids: readonly number[][]): void {
  texts.forEach((text, i) => {
    const row = tokenizer.encode(text);
    assert.deepEqual(Array.from(row.ids.subarray(0, row.length)), ids[i], JSON.stringify(text));
  });
}

const long = { kind: "tokenizer.json", contextLength: 1000, padId: 0 } as const;

describe("files that are no vocabulary", () => {
  const refused = async (name: string, content: string | Uint8Array, message: RegExp) => {
    const path = await file(name, content);
    await assert.rejects(createTokenizer({ ...long, file: path }), { code: "LIMN_DATA", message });
  };
  test("of BERT", () =>
    refused("bad/vocab.txt", "[PAD]\n[UNK]\na\n", /no \[CLS\], \[SEP\] among its lines/));
  test("of SentencePiece", async () => {
    await refused("bad/a.model", "text", /Expected a vocabulary for .*a\.model/);
    await refused("bad/b.model", new Uint8Array(), /no pieces in it/);
    const whole = Buffer.from(golden.sentencePiece.model, "base64");
    await refused("bad/c.model", whole.subarray(0, 1000), /it is cut/);
  });
  test("an end of text that is left out and asked for", async () => {
    for (const more of [{ endId: 3 }, { pooling: "endOfText" as const }]) {
      await assert.rejects(createTokenizer({ ...long, file: "x", addEnd: false, ...more }), {
        code: "LIMN_SETTING",
        message: /^Expected no end of text with addEnd false for tokenizer\.(endId|pooling)/,
      });
    }
  });
});

test("a vocabulary trained here can be read without the end of text", async () => {
  const trained = join(folder, "trained");
  await trainTokenizer({
    texts: ["a red square"],
    vocabSize: 520,
    folder: trained,
    contextLength: 8,
  });
  const description = { kind: "tokenizer.json", file: join(trained, "tokenizer.json") } as const;
  const without = await createTokenizer({ ...description, addEnd: false });
  assert.deepEqual([without.endId, without.pooling], [undefined, "last"]);
  assert.equal((await createTokenizer(description)).pooling, "endOfText");
});

describe("BERT's vocab.txt", () => {
  test("gives Hugging Face's ids, with and without the end", async () => {
    const path = await file("bert/vocab.txt", `${golden.bert.vocab.join("\n")}\n`);
    const tokenizer = await createTokenizer({ ...long, file: path });
    check(tokenizer, golden.texts, golden.bert.ids);
    assert.deepEqual([tokenizer.padId, tokenizer.endId, tokenizer.pooling], [0, 3, "first"]);
    const without = await createTokenizer({ ...long, file: path, addEnd: false });
    check(
      without,
      golden.texts,
      golden.bert.ids.map((ids) => ids.slice(0, -1)),
    );
    assert.deepEqual([without.endId, without.pooling], [undefined, "first"]);
    const short = await createTokenizer({ ...long, file: path, addEnd: false, contextLength: 4 });
    const ids = golden.bert.ids.find((row) => row.length > 5)!;
    const text = golden.texts[golden.bert.ids.indexOf(ids)]!;
    assert.deepEqual([...short.encode(text).ids], ids.slice(0, 4));
  });
  test("is found in a folder, with its settings, and saved as tokenizer.json", async () => {
    await file("model/vocab.txt", `${golden.bert.vocab.join("\n")}\n`);
    await file("model/tokenizer_config.json", JSON.stringify({ model_max_length: 64 }));
    const loaded = await loadTokenizer(join(folder, "model"));
    assert.equal(loaded.contextLength, 64);
    const { file: source } = loaded.description as { file: string };
    const settings = { kind: "tokenizer.json", contextLength: 64, addEnd: false } as const;
    const changed = await createTokenizer({ ...settings, file: source });
    await saveTokenizer(changed, join(folder, "saved"));
    const again = await loadTokenizer(join(folder, "saved"));
    assert.deepEqual({ ...again.description, file: "" }, { ...changed.description, file: "" });
    for (const text of golden.texts) assert.deepEqual(again.encode(text), changed.encode(text));
  });
});

test("SentencePiece's model file gives SentencePiece's ids, and can pad with the end", async () => {
  const { model, texts, ids } = golden.sentencePiece;
  const path = await file("spiece/spiece.model", Buffer.from(model, "base64"));
  const tokenizer = await createTokenizer({ ...long, file: path, padId: 1, pooling: "last" });
  check(tokenizer, texts, ids);
  // SigLIP: the last position is the end of text, whether the row was cut or filled.
  assert.equal(tokenizer.endId, 1);
  const short = await createTokenizer({ ...tokenizer.description, contextLength: 8 });
  for (const text of texts) assert.equal(short.encode(text).ids[7], 1);
  await saveTokenizer(short, join(folder, "siglip"));
  const again = await loadTokenizer(join(folder, "siglip"));
  for (const text of texts) assert.deepEqual(again.encode(text), short.encode(text));
});

for (const [name, { file: content, ids }] of Object.entries(golden.steps)) {
  test(`tokenizer.json: ${name}: the ids of Hugging Face's tokenizers`, async () => {
    const path = await file(`${name}.json`, JSON.stringify(content));
    check(await createTokenizer({ ...long, file: path }), golden.texts, ids);
  });
}

for (const { kind, vocabSize, file: content, ids } of golden.trained) {
  test(`what training ${kind} writes gives Hugging Face's tokenizers the same ids`, async () => {
    const target = join(folder, `trained-${kind}`);
    // As sources read captions.
    const texts = golden.texts.map((text) => text.trim()).filter((text) => text !== "");
    const options = { texts, kind, vocabSize, contextLength: 1000 };
    const tokenizer = await trainTokenizer({ ...options, folder: target });
    const written: unknown = JSON.parse(await readFile(join(target, "tokenizer.json"), "utf8"));
    assert.deepEqual(written, content);
    check(tokenizer, golden.texts, ids);
  });
}
