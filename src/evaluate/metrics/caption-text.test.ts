/** Against pycocoevalcap; test/goldens/generate/metrics.py makes the file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../../test/support/close.ts";
import { metricsGolden } from "../../../test/support/metrics-golden.ts";
import { bleu, ciderD, rougeL } from "./caption-text.ts";
import { captionWords } from "./caption-words.ts";

const { captions: golden } = metricsGolden();
const wordsOf = (line: string): string[] => line.split(" ");
const pairs = {
  candidates: golden.candidateWords.map(wordsOf),
  references: golden.referenceWords.map((own) => own.map(wordsOf)),
};
const near = { rtol: 1e-9, atol: 1e-12 };

test("captions without references, and none at all, are refused", () => {
  for (const metric of [bleu, rougeL, ciderD]) {
    assert.throws(() => metric({ candidates: [], references: [] }), /at least one item/);
    assert.throws(() => metric({ candidates: [["a"]], references: [] }), /Expected 1 lists/);
    assert.throws(
      () => metric({ candidates: [["a"], ["b"]], references: [[["a"]], []] }),
      /a reference for every caption but item 1 has none/,
    );
  }
});

test("words are those of Stanford's tokenizer without punctuation", () => {
  for (const [i, caption] of golden.candidates.entries()) {
    assert.equal(captionWords(caption).join(" "), golden.candidateWords[i], caption);
  }
  for (const [i, own] of golden.references.entries()) {
    for (const [j, caption] of own.entries()) {
      assert.equal(captionWords(caption).join(" "), golden.referenceWords[i]![j], caption);
    }
  }
});

test("words of what is not plain English stay whole too", () => {
  assert.deepEqual(captionWords("Ein schöner Hund, нет!"), ["ein", "schöner", "hund", "нет"]);
  assert.deepEqual(captionWords(" \n"), []);
  assert.deepEqual(captionWords("“It’s” – fine…"), ["it", "'s", "fine"]);
});

test("BLEU is the reference's, of each item, of all and of drawn items", () => {
  const { items, of } = bleu(pairs);
  assertClose(items, golden.bleu, near);
  assertClose(of(), golden.once.bleu, near);
  assertClose(of(golden.weights), golden.drawn.bleu, near);
  assert.ok(golden.bleu.some((one) => one > 0.3) && golden.bleu.some((one) => one < 1e-3));
});

test("ROUGE-L is the reference's", () => {
  const { items, of } = rougeL(pairs);
  assertClose(items, golden.rouge, near);
  assertClose([of(), of(golden.weights)], [golden.once.rouge, golden.drawn.rouge], near);
});

test("CIDEr-D is the reference's", () => {
  const { items, of } = ciderD(pairs);
  assertClose(items, golden.cider, near);
  assertClose([of()], [golden.ciderMean], near);
});

test("an empty caption scores nothing; the same caption everything", () => {
  const one = {
    candidates: [[], ["a", "red", "dog", "runs"]],
    references: [[["a"]], [["a", "red", "dog", "runs"]]],
  };
  assertClose(bleu(one).items, [0, 1], { atol: 1e-6 });
  assertClose(rougeL(one).items, [0, 1]);
  assertClose(ciderD(one).items, [0, 10]);
});
