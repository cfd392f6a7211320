import { strict as assert } from "node:assert";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { trainPairs } from "./train-bpe.ts";
import { trainTokenizer } from "./train-tokenizer.ts";
import { trainUnigram } from "./train-unigram.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "limn-train-tokenizer-"));
});
after(() => rm(folder, { recursive: true }));

const nouns = ["cat", "dog", "horse", "house", "mouse", "bicycle", "kitchen", "elephant"];
const places = ["on the grass", "in a kitchen", "beside the house", "under blue sky"];
const others = [
  "ein Foto von einem Hund im Gras",
  "фотография кошки на столе",
  "猫がテーブルの上にいる写真",
  "桌子上的猫",
  "बिल्ली की एक तस्वीर",
  "صورة قطة على الطاولة",
  "φωτογραφία ΜΙΑΣ ΓΑΤΑΣ",
  "👍🏽 naïve café 👨‍👩‍👧",
];

function captions(): string[] {
  const english = nouns.flatMap((noun) => places.map((place) => `A photo of a ${noun} ${place}.`));
  return [...english, ...english, ...others, ...others, ...others];
}

describe("training that cannot be", () => {
  const refused = async (change: object, message: RegExp): Promise<void> => {
    const options = { texts: captions(), vocabSize: 600, folder, ...change };
    await assert.rejects(trainTokenizer(options), {
      code: "LIMN_SETTING",
      message,
    });
  };
  test("options", async () => {
    await refused({ vocabsize: 3 }, /received "vocabsize"; Did you mean "vocabSize"\?$/);
    await refused({ kind: "wordpeice" }, /received "wordpeice"; Did you mean "wordpiece"\?$/);
    await refused(
      { vocabSize: 513 },
      /^Expected an integer from 514 .* received 513; CLIP's own has 49408/,
    );
    await refused({ vocabSize: 600.5 }, /received 600\.5/);
    await refused(
      { contextLength: 2 },
      /^Expected an integer of at least 3 for tokenizer\.contextLength/,
    );
    await refused({ folder: "" }, /^Expected a path for tokenizer\.folder/);
  });
  test("captions without text", async () => {
    await assert.rejects(trainTokenizer({ texts: ["", "  "], vocabSize: 600, folder }), {
      code: "LIMN_DATA",
      message: /received none with text/,
    });
  });
});

describe("trainTokenizer", () => {
  for (const kind of ["bpe", "wordpiece", "unigram"] as const) {
    const vocabSize = kind === "bpe" ? 700 : 300;
    test(`${kind}: shorter rows than characters, no unknown text, the same from any order`, async () => {
      const one = join(folder, kind);
      const two = join(folder, `${kind}-again`);
      const tokenizer = await trainTokenizer({
        texts: captions(),
        vocabSize,
        folder: one,
        kind,
        contextLength: 40,
      });
      async function* reversed(): AsyncGenerator<string> {
        for (const text of captions().toReversed()) yield await Promise.resolve(text);
      }
      await trainTokenizer({ texts: reversed(), vocabSize, folder: two, kind, contextLength: 40 });
      assert.equal(
        await readFile(join(one, "tokenizer.json"), "utf8"),
        await readFile(join(two, "tokenizer.json"), "utf8"),
      );
      const { vocabSize: learnt } = tokenizer;
      assert.ok(learnt <= vocabSize && learnt > 100, String(learnt));
      assert.equal(tokenizer.contextLength, 40);
      const json = JSON.parse(await readFile(join(one, "tokenizer.json"), "utf8")) as {
        added_tokens: { id: number; content: string }[];
      };
      const unknown = json.added_tokens.find(({ content }) => /unk/i.test(content))?.id;
      for (const text of captions()) {
        const { ids, length } = tokenizer.encode(text);
        const used = Array.from(ids.subarray(0, length));
        assert.equal(used.at(-1), tokenizer.endId);
        if (unknown !== undefined) assert.ok(!used.includes(unknown), text);
      }
      assert.ok(tokenizer.encode("a photo of a cat on the grass.").length <= 12);
    });
  }

  test("bpe gives every text ids and the end of text the greatest", async () => {
    const tokenizer = await trainTokenizer({
      texts: captions(),
      vocabSize: 600,
      folder: join(folder, "least"),
    });
    assert.equal(tokenizer.endId, tokenizer.vocabSize - 1);
    const { ids, length } = tokenizer.encode("Ωmega 漢字 🦄 never seen");
    assert.ok(ids.subarray(0, length - 1).every((id) => id < tokenizer.vocabSize - 1));
  });
});

/** Byte-pair encoding by counting every pair anew for each merge. */
function naivePairs(
  words: [string[], number][],
  initial: string[],
  limit: number,
): [string, string][] {
  const symbols = [...new Set([...initial, ...words.flatMap(([word]) => word)])].sort();
  const merges: [string, string][] = [];
  const state = words.map(([word, count]) => ({ word, count }));
  while (symbols.length < limit) {
    const counts = new Map<string, number>();
    for (const { word, count } of state) {
      for (let i = 0; i + 1 < word.length; i++) {
        const pair = `${word[i]} ${word[i + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + count);
      }
    }
    const rank = (pair: string): number[] =>
      pair.split(" ").map((symbol) => symbols.indexOf(symbol));
    const [best] = [...counts].sort(([a, m], [b, n]) => {
      const [[a0 = 0, a1 = 0], [b0 = 0, b1 = 0]] = [rank(a), rank(b)];
      return n - m || a0 - b0 || a1 - b1;
    });
    if (best === undefined || best[1] < 2) break;
    const [a = "", b = ""] = best[0].split(" ");
    merges.push([a, b]);
    if (!symbols.includes(a + b)) symbols.push(a + b);
    for (const item of state) {
      const next: string[] = [];
      for (const symbol of item.word) {
        if (next.at(-1) === a && symbol === b) next.push((next.pop() ?? "") + b);
        else next.push(symbol);
      }
      item.word = next;
    }
  }
  return merges;
}

describe("the models", () => {
  test("trainPairs finds the merges of the naive algorithm", () => {
    const texts = captions().join(" ").split(" ");
    const counts = new Map<string, number>();
    for (const word of texts) counts.set(word, (counts.get(word) ?? 0) + 1);
    const words = [...counts].map(([word, count]): [string[], number] => [Array.from(word), count]);
    const { merges } = trainPairs(words, ["z"], { symbolLimit: 220, join: (a, b) => a + b });
    assert.ok(merges.length > 40);
    assert.deepEqual(merges, naivePairs(words, ["z"], 220));
  });

  test("trainUnigram gives probabilities, every character among them", () => {
    const words: [string, number][] = [
      ["▁the", 90],
      ["▁then", 20],
      ["▁hen", 15],
      ["▁ten", 9],
      ["▁net", 2],
    ];
    const pieces = trainUnigram(words, 12);
    assert.ok(pieces.length <= 12);
    const scores = new Map(pieces);
    for (const character of "▁then") assert.ok(scores.has(character), character);
    assert.ok(scores.has("▁the"));
    const sum = pieces.reduce((total, [, score]) => total + Math.exp(score), 0);
    assert.ok(sum > 0.5 && sum <= 1 + 1e-9, String(sum));
    assert.deepEqual(trainUnigram(words.toReversed(), 12), pieces);
  });
});
