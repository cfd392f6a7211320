/**
 * A pair that its own library wrote, read and saved again: every weight comes back bit for bit under its
 * name, with configuration, preprocessing and tokenizer; and the same by way of another layout. That the
 * libraries read what limn writes is shown by test/goldens/generate/read-back.py.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import {
  endToEnd,
  endToEndPairs,
  endToEndPath,
  type EndToEndPair,
} from "../../test/support/end-to-end-goldens.ts";
import { scope } from "../torch/index.ts";
import { CheckpointError } from "../errors.ts";
import { loadModel, type LoadedModel } from "../inference/load-model.ts";
import type { SaveLayout } from "./layouts/writers.ts";
import { readSafetensors } from "./weights/safetensors.ts";

const root = mkdtempSync(join(tmpdir(), "limn-round-trip-"));
after(() => rmSync(root, { recursive: true }));

type Name = EndToEndPair["name"];

const pairOf = (name: Name): EndToEndPair =>
  endToEndPairs.find((pair) => pair.name === name) as EndToEndPair;

async function load(name: Name): Promise<LoadedModel> {
  const pair = pairOf(name);
  return loadModel(endToEndPath(pair), { ...endToEnd(pair).given, prepare: false });
}

/** Saves the model under a name and loads it from there. */
async function saved(
  model: LoadedModel,
  name: string,
  layout?: SaveLayout,
): Promise<{ folder: string; again: LoadedModel }> {
  const folder = join(root, name);
  await model.save(folder, layout === undefined ? {} : { layout });
  return { folder, again: await loadModel(folder, { prepare: false }) };
}

function weightsFile(folder: string): string {
  const names = ["model.safetensors", "open_clip_model.safetensors"];
  return join(folder, names.find((name) => existsSync(join(folder, name))) ?? "");
}

/** Asserts that two folders hold the same weights, bit for bit. */
function assertSameWeights(actual: string, expected: string): void {
  const [one, other] = [actual, expected].map((folder) => readSafetensors(weightsFile(folder)));
  assert.ok(one && other);
  scope(() => {
    assert.deepEqual([...one.names].sort(), [...other.names].sort());
    for (const name of other.names) {
      assert.deepEqual(one.info(name), other.info(name), name);
      assert.deepEqual(one.tensor(name).data(), other.tensor(name).data(), name);
    }
  });
  one.close();
  other.close();
}

/** Ids without padding: open_clip and transformers fill rows of CLIP with other ids, which no one reads. */
function idsOf({ tokenizer }: LoadedModel, texts: readonly string[]): Int32Array[] {
  const { tokens, lengths } = tokenizer.encodeBatch(texts);
  return texts.map((_, i) => {
    const start = i * tokenizer.contextLength;
    return tokens.slice(start, start + (lengths[i] as number));
  });
}

function assertSameModel(again: LoadedModel, model: LoadedModel, texts: readonly string[]): void {
  assert.deepEqual(again.config, model.config);
  assert.deepEqual(again.evaluationTransform, model.evaluationTransform);
  assert.deepEqual(again.naflexTransform, model.naflexTransform);
  assert.deepEqual(idsOf(again, texts), idsOf(model, texts));
  const state = new Map(again.pair.namedState());
  for (const [name, tensor] of model.pair.namedState()) {
    assert.ok(state.get(name)?.equals(tensor), name);
  }
}

/** Reads a pair, saves it by way of the layouts, and compares the last folder with the first. */
async function roundTrip(name: Name, layouts: readonly SaveLayout[]): Promise<void> {
  const model = await load(name);
  const { texts } = endToEnd(pairOf(name));
  let [last, folder] = [model, ""];
  for (const [i, layout] of layouts.entries()) {
    const step = await saved(last, `${name}-${layouts.join("-")}-${i}`, layout);
    assertSameModel(step.again, model, texts);
    if (layouts.length === 1) {
      const [found, first] = [step.again, last].map(({ tokenizer }) =>
        tokenizer.encodeBatch(texts),
      );
      assert.deepEqual(found, first);
    }
    if (last !== model) last.dispose();
    [last, folder] = [step.again, step.folder];
  }
  const first = endToEndPath(pairOf(name));
  if (!("file" in pairOf(name))) assertSameWeights(folder, first);
  last.dispose();
  model.dispose();
}

describe("a folder, saved in its own layout", () => {
  const own = (layout: string): SaveLayout =>
    layout === "open_clip" ? "open-clip" : "hugging-face";
  for (const pair of endToEndPairs.filter((one) => !("file" in one))) {
    it(`is the same: ${pair.name}`, () => roundTrip(pair.name, [own(pair.layout)]));
  }
});

describe("a pair, saved in other layouts and back", () => {
  const ways: readonly [Name, readonly SaveLayout[]][] = [
    ["clip", ["open-clip", "hugging-face"]],
    ["open-clip-vit", ["hugging-face", "open-clip"]],
    ["open-clip-vit", ["limn", "open-clip"]],
    ["open-clip-siglip", ["limn", "open-clip"]],
    ["siglip", ["limn", "hugging-face"]],
    ["siglip2-naflex", ["limn", "hugging-face"]],
    ["openai", ["hugging-face", "open-clip", "hugging-face"]],
    ["open-clip-checkpoint", ["open-clip", "hugging-face"]],
  ];
  for (const [name, layouts] of ways) {
    it(`is the same: ${name} by ${layouts.join(", ")}`, () => roundTrip(name, layouts));
  }

  it("is refused by a layout that cannot hold it, and nothing is written", async () => {
    const model = await load("align");
    const folder = join(root, "refused");
    await assert.rejects(
      model.save(folder, { layout: "open-clip" }),
      (error) =>
        error instanceof CheckpointError &&
        /has towers for, to write .* but it has no learned temperature; write/.test(error.message),
    );
    assert.ok(!existsSync(folder));
    model.dispose();
  });
});
