import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";

import { CheckpointError, UnsettledError } from "../../../errors.ts";
import { goldenEntries, goldenNpz, npyZeros, writeNpz } from "../../../../test/support/npz-file.ts";
import { describeModel } from "../../describe-model.ts";
import { loadModel } from "../../../inference/load-model.ts";

const root = mkdtempSync(join(tmpdir(), "limn-flax-misuse-"));
after(() => rmSync(root, { recursive: true }));

async function refuses(file: string, message: RegExp): Promise<void> {
  await assert.rejects(describeModel(file), (error) => {
    assert.ok(error instanceof CheckpointError, String(error));
    assert.match(error.message, message);
    return true;
  });
}

/** A golden with arrays of other shapes or types; an array that is null is left out. */
function changed(
  model: string,
  changes: Record<string, readonly number[] | string | null>,
): string {
  const entries = goldenEntries(model);
  for (const [name, change] of Object.entries(changes)) {
    if (change === null) assert.ok(entries.delete(name));
    else if (typeof change === "string") entries.set(name, npyZeros([2], change));
    else entries.set(name, npyZeros(change));
  }
  return writeNpz(join(root, "changed", `${model}.npz`), entries);
}

describe("a file that is no flax checkpoint", () => {
  it("of other weights", async () => {
    const file = writeNpz(join(root, "other.npz"), new Map([["a", npyZeros([2])]]));
    await refuses(
      file,
      /^Expected blocks Transformer\/encoderblock_0 or Transformer\/encoderblock in .*other\.npz but received none; give a checkpoint of big_vision's SigLIP, of LiT or of an AugReg ViT$/,
    );
  });

  it("no archive", async () => {
    const file = join(root, "text.npz");
    writeFileSync(file, "hello");
    await refuses(file, /text\.npz/);
  });

  it("one of two in a folder", async () => {
    const folder = join(root, "two");
    mkdirSync(folder);
    for (const name of ["a.npz", "b.npz"]) copyFileSync(goldenNpz("augreg"), join(folder, name));
    await refuses(
      folder,
      /^Expected one \.npz file in .*two but received 2; name the file, such as/,
    );
  });

  it("a ViT behind a ResNet", () =>
    refuses(
      changed("augreg", { "conv_root/kernel": [7, 7, 3, 64] }),
      /patches of pixels in embedding\/kernel .* a ViT behind a ResNet/,
    ));
});

describe("a flax checkpoint that is not whole", () => {
  const block = "params/img/Transformer/encoderblock_1";

  it("without a weight", () =>
    refuses(
      changed("siglip", { [`${block}/LayerNorm_0/bias`]: null }),
      /1 missing:\n {4}img\/Transformer\/encoderblock_1\/LayerNorm_0\/bias$/,
    ));

  it("without its scale", () =>
    refuses(changed("siglip", { "params/t": null }), /1 missing:\n {4}t$/));

  it("without pictures", async () => {
    const texts = [...goldenEntries("siglip")].filter(([name]) => !name.includes("/img/"));
    const file = writeNpz(join(root, "texts.npz"), new Map(texts));
    await refuses(file, /blocks img\/Transformer\/encoderblock_0 or/);
  });

  it("with a weight too many", () =>
    refuses(
      changed("siglip", { "params/img/register": [1] }),
      /1 unexpected:\n {4}img\/register$/,
    ));

  it("with a classifier in a pair of two towers", () =>
    refuses(
      changed("lit-small", { "img/pre_logits/kernel": [12, 12] }),
      /1 unexpected:\n {4}img\/pre_logits\/kernel$/,
    ));

  it("with one weight under two names", () =>
    refuses(changed("siglip", { t: [1] }), /one weight for t in .* received params\/t and t/));
});

describe("a flax checkpoint of other shapes", () => {
  it("a kernel of too few sides", () =>
    refuses(
      changed("siglip", { "params/img/embedding/kernel": [4, 12, 12] }),
      /img\/embedding\/kernel with 4 sides in .* but received \[4, 12, 12\]/,
    ));

  it("patches that are no squares, or of other channels", async () => {
    const message = /square patches of three channels in img\/embedding\/kernel .* received \[4, /;
    await refuses(changed("siglip", { "params/img/embedding/kernel": [4, 5, 3, 12] }), message);
    await refuses(changed("siglip", { "params/img/embedding/kernel": [4, 4, 1, 12] }), message);
    await refuses(
      changed("siglip2-naflex", { "params/img/embedding/kernel": [50, 12] }),
      /square patches of three channels in img\/embedding\/kernel .* received \[50, 12\]/,
    );
  });

  it("places that are no square", async () => {
    await refuses(
      changed("siglip", { "params/img/pos_embedding": [1, 10, 12] }),
      /a square of places in img\/pos_embedding in .* but received 10 places/,
    );
    await refuses(
      changed("siglip2-naflex", { "params/img/pos_embedding": [3, 4, 12] }),
      /a square of places in img\/pos_embedding in .* but received \[3, 4, 12\]/,
    );
  });

  it("a width that its other weights do not have", () =>
    refuses(changed("siglip", { "params/img/embedding/bias": [13] }), /mis-shaped:\n {4}img\/emb/));

  it("a BERT whose heads cannot be told", () =>
    refuses(
      changed("lit-bert", {
        "txt/BertEncoder_0/embedder/embedders_token_ids/embedding": [64, 120],
      }),
      /a BERT with heads of 64 in .* but received a width of 120, .* convert the checkpoint/,
    ));

  it("Python objects", () => refuses(changed("siglip", { "params/t": "|O" }), /t.*\|O/s));
});

describe("loading a flax checkpoint", () => {
  it("says that a tower alone is no pair", () =>
    assert.rejects(loadModel(goldenNpz("augreg")), /a pair in .* received its image tower alone/));

  it("asks for the vocabulary that does not lie beside it", async () => {
    const asks = (name: string, message: RegExp): Promise<void> =>
      assert.rejects(loadModel(goldenNpz(name)), (error) => {
        assert.ok(error instanceof UnsettledError);
        assert.equal(error.option, "tokenizer");
        assert.match(error.message, message);
        return true;
      });
    await asks("siglip", /none of siglip\.model, sentencepiece\.model, spiece\.model/);
    await asks("lit-bert", /none of lit-bert\.txt, vocab\.txt; copy/);
    await asks("lit-small", /none of lit-small\.model, sentencepiece\.model/);
  });

  it("refuses a vocabulary of another model", async () => {
    const vocabulary = join(root, "vocab.txt");
    const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
    writeFileSync(
      vocabulary,
      [...words, ...Array.from({ length: 90 }, (_, i) => `w${i}`)].join("\n"),
    );
    await assert.rejects(
      loadModel(goldenNpz("lit-bert"), { tokenizer: vocabulary, contextLength: 8 }),
      /a tokenizer of at most 64 ids .* received one of 94 ids/,
    );
  });
});
