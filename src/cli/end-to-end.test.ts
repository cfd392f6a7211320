/** `limn info` and `limn classify` on every tiny pair, against what its own library says. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { ModelDescription } from "../models/describe-model.ts";
import {
  endToEnd,
  endToEndPairs,
  endToEndPath,
  endToEndPictures,
  unlikePictures,
  type EndToEnd,
} from "../testing/end-to-end-goldens.ts";
import { runLimn } from "../testing/run-limn.ts";

const root = mkdtempSync(join(tmpdir(), "limn-cli-end-to-end-"));
after(() => rmSync(root, { recursive: true }));

/** What the files do not say, as flags. */
function flags(name: string, { given }: EndToEnd): string[] {
  if (given?.evaluationTransform === undefined) return [];
  const file = join(root, `${name}-preprocessing.json`);
  writeFileSync(file, JSON.stringify(given.evaluationTransform));
  return ["--activation", String(given.activation), "--preprocessing", file];
}

async function printed<T>(...words: string[]): Promise<T> {
  const { code, out, err } = await runLimn(...words, "--json");
  assert.equal(code, 0, err);
  return JSON.parse(out) as T;
}

interface Answer {
  probabilities: string;
  pictures: { predictions: { label: string; score: number }[] }[];
}

/** The best label of every picture and its probability. No label is empty, as one of the texts is. */
function best({ texts, probabilities, kind }: EndToEnd): { label: string; score: number }[] {
  return endToEndPictures.map((_, i) => {
    const rows = texts
      .map((label, j) => ({ label, score: probabilities[i * texts.length + j] as number }))
      .filter(({ label }) => label !== "");
    const total = kind === "softmax" ? rows.reduce((sum, { score }) => sum + score, 0) : 1;
    const { label, score } = rows.reduce((a, b) => (b.score > a.score ? b : a));
    return { label, score: score / total };
  });
}

for (const pair of endToEndPairs) {
  const golden = endToEnd(pair);
  const path = endToEndPath(pair);

  describe(`${pair.name} on the command line`, () => {
    it("is shown", async () => {
      const words = ["info", path, ...flags(pair.name, golden)];
      const found = await printed<ModelDescription>(...words);
      assert.deepEqual([found.layout, found.family], [pair.layout, pair.family]);
      assert.equal(found.probabilities, golden.kind);
      assert.equal(found.tokenizer?.contextLength, 24);
      const { code, out } = await runLimn(...words);
      assert.equal(code, 0);
      assert.match(out, new RegExp(`^layout +${pair.layout}$`, "m"));
    });

    const skip = unlikePictures.includes(pair.name) && "pictures become squares";
    it("names pictures", { skip }, async () => {
      const classes = join(root, `${pair.name}.json`);
      writeFileSync(classes, JSON.stringify(golden.texts.filter((text) => text !== "")));
      const found = await printed<Answer>(
        ...["classify", path, ...endToEndPictures, "--classes", classes, "--templates", "bare"],
        ...["--top", "1", "--device", "cpu", ...flags(pair.name, golden)],
      );
      assert.equal(found.probabilities, golden.kind);
      for (const [i, expected] of best(golden).entries()) {
        const [first] = found.pictures[i]?.predictions ?? [];
        assert.equal(first?.label, expected.label);
        assert.ok(Math.abs(first.score - expected.score) < 1e-5, `${first.score}`);
      }
    });
  });
}

describe("a checkpoint that leaves something open", () => {
  const path = endToEndPath(endToEndPairs[8]);
  const [picture = ""] = endToEndPictures;
  const [activation = "", value = ""] = flags("open", endToEnd(endToEndPairs[8]));
  const refuses = async (flag: string, ...words: string[]): Promise<void> => {
    const { code, err } = await runLimn("classify", path, picture, "--labels", "a,b", ...words);
    assert.equal(code, 3);
    assert.match(err, new RegExp(`\nNext: limn classify with --${flag}\n$`));
  };

  it("is refused with the flag that settles it", async () => {
    await refuses("activation");
    await refuses("preprocessing", activation, value);
  });
});
