/** `limn info` and `limn classify` on every tiny pair, against what its own library says. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { readNpy } from "../../files/npy.ts";
import type { ModelDescription } from "../../checkpoints/describe-model.ts";
import { assertClose } from "../../../test/support/close.ts";
import {
  endToEnd,
  endToEndPairs,
  endToEndPath,
  endToEndPictures,
  type EndToEnd,
} from "../../../test/support/end-to-end-goldens.ts";
import { runLimn } from "../../../test/support/run-limn.ts";

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

    it("names pictures", async () => {
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

describe("a tower alone", () => {
  const towers = [
    ["vit", "image", "Hugging Face ViT", "ViT"],
    ["bert", "text", "Hugging Face Bert", "BERT"],
    ["timm-vit", "image", "timm", "ViT"],
    ["timm-map", "image", "timm", "ViT"],
    ["timm-clip", "image", "timm", "ViT"],
  ] as const;
  for (const [name, side, layout, family] of towers) {
    it(`is shown, and is no model to classify with: ${name}`, async () => {
      const path = fileURLToPath(
        new URL(`../../../../test/goldens/models/${name}`, import.meta.url),
      );
      const found = await printed<ModelDescription>("info", path);
      assert.ok(found.layout.startsWith(layout), found.layout);
      assert.deepEqual([found.holds, found.family], [`${side} tower`, family]);
      const other = side === "image" ? "textTower" : "imageTower";
      assert.equal(found.parameters[other], 0);
      assert.equal(found.parameters.total, found.parameters[`${side}Tower`]);
      const picture = endToEndPictures[0] ?? "";
      const { code, err } = await runLimn("classify", path, picture, "--labels", "a,b");
      assert.equal(code, 3);
      assert.match(err, new RegExp(`Expected a pair in .* received its ${side} tower alone`));
    });
  }
});

describe("a checkpoint that leaves something open", () => {
  const path = endToEndPath(endToEndPairs[8]);
  const golden = endToEnd(endToEndPairs[8]);
  const given = flags("open", golden);
  const table = join(root, "table.csv");
  const rows = endToEndPictures.map((picture, i) => `${picture},caption ${i}`);
  writeFileSync(table, `image,caption\n${rows.join("\n")}\n`);
  const commands = {
    classify: [path, endToEndPictures[0] ?? "", "--labels", "a,b"],
    embed: [path, table, "--out", join(root, "embedded"), "--store", "float32"],
    eval: [path, table],
    convert: [path, join(root, "converted")],
  };

  for (const [name, words] of Object.entries(commands)) {
    it(`is refused by limn ${name} with the flag that settles it`, async () => {
      for (const [taken, flag] of [
        [0, "activation"],
        [2, "preprocessing"],
      ] as const) {
        const { code, err } = await runLimn(name, ...words, ...given.slice(0, taken));
        assert.equal(code, 3);
        assert.match(err, new RegExp(`\nNext: limn ${name} with --${flag}\n$`));
      }
      const { code, err } = await runLimn(name, ...words, ...given);
      assert.equal(code, 0, err);
    });
  }

  it("is embedded as its library does", () => {
    const found = readNpy(join(root, "embedded", "img_emb", "img_emb_0.npy"));
    assertClose(found.data, golden.imageEmbeddings, golden, "image");
  });
});
