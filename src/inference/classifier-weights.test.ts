import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertClose } from "../../test/support/close.ts";
import { classifierWeights, type EmbedTexts } from "./classifier-weights.ts";

/** Looks texts up in a table of 2-vectors. */
function lookUp(table: Record<string, [number, number]>, asked: string[] = []): EmbedTexts {
  return (texts) => {
    asked.push(...texts);
    const data = Float32Array.from(texts.flatMap((text) => table[text] ?? [NaN, NaN]));
    return Promise.resolve({ data, count: texts.length, dim: 2 });
  };
}

describe("classifierWeights", () => {
  it("refuses rows that do not match the texts", async () => {
    const short: EmbedTexts = () =>
      Promise.resolve({ data: Float32Array.of(1, 0), count: 1, dim: 2 });
    await assert.rejects(
      classifierWeights({ classes: ["a", "b"], templates: "bare", embedTexts: short }),
      {
        name: "ShapeError",
        message: /Expected \[2, 2\] from embedTexts but received \[1, 2\]/,
      },
    );
  });

  it("refuses NaN, embeddings that cancel, and bad options", async () => {
    const embedTexts = lookUp({ up: [0, 1], down: [0, -1] });
    const make = (classes: (string | string[])[], textsPerCall = 4): Promise<unknown> =>
      classifierWeights({ classes, templates: "bare", embedTexts, textsPerCall });
    await assert.rejects(make(["unknown"]), /finite numbers for text embeddings but row 0/);
    await assert.rejects(make([["up", "down"]]), /class "up" to have a mean direction/);
    await assert.rejects(make(["up"], 0), /textsPerCall/);
    await assert.rejects(make([]), /at least one class/);
  });

  it("normalises, averages, normalises: a long embedding weighs no more than a short one", async () => {
    const table: Record<string, [number, number]> = {
      "the cat": [10, 0],
      "a cat": [0, 0.1],
      "the dog": [0, -2],
      "a dog": [0, -2],
      "the hound": [3, 4],
      "a hound": [3, 4],
    };
    const asked: string[] = [];
    const result = await classifierWeights({
      classes: ["cat", ["dog", "hound"]],
      templates: ["the {}", "a {}"],
      embedTexts: lookUp(table, asked),
      textsPerCall: 4,
    });
    assert.deepEqual(asked, Object.keys(table));
    assert.deepEqual(result.labels, ["cat", "dog"]);
    // cat: mean of (1, 0) and (0, 1). dog: mean of (0, -1) and (0.6, 0.8), that is (0.3, -0.1).
    const half = Math.SQRT1_2;
    const length = Math.hypot(0.3, 0.1);
    assertClose(result.weights.data, [half, half, 0.3 / length, -0.1 / length], { rtol: 1e-6 });
  });

  it("does not depend on how texts are split into calls", async () => {
    const embedTexts: EmbedTexts = (texts) => {
      const data = texts.flatMap((text) => [text.length, text.charCodeAt(0), 7]);
      return Promise.resolve({ data: Float32Array.from(data), count: texts.length, dim: 3 });
    };
    const classes = ["one", ["two", "second"], "three"];
    const whole = await classifierWeights({ classes, embedTexts });
    const progress: [number, number][] = [];
    const onProgress = (done: number, total: number): void => void progress.push([done, total]);
    const split = await classifierWeights({ classes, embedTexts, textsPerCall: 3, onProgress });
    assert.deepEqual(split, whole);
    assert.deepEqual(progress[0], [3, 28]);
    assert.deepEqual(progress.at(-1), [28, 28]);
  });
});
