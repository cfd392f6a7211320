import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { goldenFile } from "../../test/support/golden-models.ts";
import { hashedValues } from "../../test/support/hashed-values.ts";
import { tensorsOf } from "../../test/support/tiny-towers.ts";
import { fromData, scope, type Tensor } from "../torch/index.ts";
import { pairAt } from "../../test/support/model-at.ts";
import { interpolateWeights } from "./interpolate-weights.ts";
import { readSafetensors, writeSafetensors } from "./weights/safetensors.ts";

const base = fileURLToPath(new URL("../../../test/goldens/clip-tiny", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "limn-interpolate-"));
after(() => rmSync(root, { recursive: true }));

/** A copy of the golden folder with its weights moved, and then changed. */
function tuned(
  name: string,
  change: (weights: Map<string, Tensor>) => void = () => undefined,
): string {
  const folder = join(root, name);
  cpSync(base, folder, { recursive: true });
  const file = readSafetensors(join(base, "model.safetensors"));
  scope(() => {
    const moved = new Map(
      file.names.map((key, i) => {
        const tensor = file.tensor(key);
        const noise = fromData(Float32Array.from(hashedValues(tensor.count, i)), tensor.shape);
        return [key, tensor.add(noise)] as const;
      }),
    );
    change(moved);
    writeSafetensors(join(folder, "model.safetensors"), moved);
  });
  file.close();
  return folder;
}

/** The files of a written folder, without the record of them. */
const written = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name !== ".limn-files.json")
    .sort();

const numbers = (folder: string): Map<string, Float32Array> =>
  tensorsOf(join(folder, "model.safetensors")) as Map<string, Float32Array>;

describe("what has nothing in between is refused, and nothing is written", () => {
  const out = join(root, "never");
  const refused = async (fineTuned: string, message: RegExp): Promise<void> => {
    await assert.rejects(interpolateWeights(base, fineTuned, { alpha: 0.5, out }), {
      name: "CheckpointError",
      message,
    });
    assert.equal(existsSync(out), false);
  };
  test("an alpha outside 0 to 1", async () => {
    for (const alpha of [-0.1, 1.1, Number.NaN]) {
      await assert.rejects(interpolateWeights(base, base, { alpha, out }), {
        name: "RangeError",
        message: /from 0 to 1 for alpha but received/,
      });
    }
  });
  test("missing, further and mis-shaped weights, all listed", async () => {
    const other = tuned("other", (weights) => {
      weights.delete("logit_scale");
      weights.set("more", fromData(new Float32Array(1), [1]));
      weights.set("visual_projection.weight", fromData(new Float32Array(4), [2, 2]));
    });
    await refused(other, /logit_scale only there[^]*more only here|more only here[^]*logit_scale/);
    await refused(other, /visual_projection\.weight is \[24, 32\] there, \[2, 2\] here/);
  });
  test("equal shapes that compute something else", async () => {
    const other = tuned("activation");
    const file = join(other, "config.json");
    writeFileSync(file, readFileSync(file, "utf8").replaceAll('"quick_gelu"', '"gelu"'));
    await refused(
      other,
      /text\.activation "quickGelu" there, "gelu" here; give two folders of one model/,
    );
  });
  test("a file, which has no tokenizer and preprocessing beside its weights", async () => {
    const file = goldenFile("openai", "tiny.pt");
    await refused(
      file,
      /Expected a model folder for .*tiny\.pt but received a file; .* limn convert/,
    );
  });
  test("an output that is one of the two, lies in one, or holds what limn did not write", async () => {
    const fineTuned = tuned("kept");
    mkdirSync(join(root, "theirs"));
    writeFileSync(join(root, "theirs", "notes.txt"), "mine");
    const before = numbers(fineTuned);
    for (const [place, message] of [
      [fineTuned, /^Expected another place than that of .*kept for writing .* received the same;/],
      [join(fineTuned, "half"), /received one inside/],
      [join(root, "theirs"), /one with notes\.txt, which limn did not write/],
    ] as const) {
      const done = interpolateWeights(base, fineTuned, { alpha: 0.5, out: place });
      await assert.rejects(done, { name: "StorageError", message });
    }
    assert.deepEqual(numbers(fineTuned), before);
    assert.deepEqual(readdirSync(join(root, "theirs")), ["notes.txt"]);
  });
  test("whole numbers that differ", async () => {
    const integers = (value: bigint) => (weights: Map<string, Tensor>) =>
      void weights.set(
        "text_model.embeddings.position_ids",
        fromData(BigInt64Array.of(value), [1]),
      );
    const [one, two] = [tuned("ids-1", integers(1n)), tuned("ids-2", integers(2n))];
    await assert.rejects(
      interpolateWeights(one, two, { alpha: 0.5, out }),
      /position_ids has other whole numbers/,
    );
    await interpolateWeights(one, one, { alpha: 0.5, out: join(root, "ids") });
    assert.equal(tensorsOf(join(root, "ids", "model.safetensors")).size, numbers(base).size + 1);
  });
});

test("(1 - alpha) zeroShot + alpha fineTuned, every weight, logit scale included, to float32's rounding", async () => {
  const fineTuned = tuned("tuned");
  const [a, b] = [numbers(base), numbers(fineTuned)];
  for (const alpha of [0, 0.3, 1]) {
    const out = join(root, `alpha-${alpha}`);
    await interpolateWeights(base, fineTuned, { alpha, out });
    const found = numbers(out);
    assert.deepEqual([...found.keys()].sort(), [...a.keys()].sort());
    for (const [name, values] of found) {
      for (const [i, value] of values.entries()) {
        const [from, to] = [a.get(name)![i]!, b.get(name)![i]!];
        const wanted = (1 - alpha) * from + alpha * to;
        const rounding = 2 ** -23 * (Math.abs(from) + Math.abs(to));
        assert.ok(Math.abs(value - wanted) <= rounding, `${name}[${i}] ${value}, not ${wanted}`);
      }
    }
    assert.deepEqual(written(out), readdirSync(base).sort());
    pairAt(out).dispose();
  }
  assert.deepEqual(numbers(join(root, "alpha-0")), a);
  assert.deepEqual(numbers(join(root, "alpha-1")), b);
});

test("a folder of links to files and of shards becomes one of files, without the index", async () => {
  const linked = join(root, "linked");
  mkdirSync(linked);
  const names = readdirSync(base);
  for (const name of names) symlinkSync(join(base, name), join(linked, name));
  writeFileSync(join(linked, "model.safetensors.index.json"), "{}");
  const out = join(root, "unlinked");
  await interpolateWeights(base, linked, { alpha: 0.5, out });
  assert.deepEqual(written(out), names.sort());
});

test("halves are mixed in float32 and stored as the fine-tuned model is", async () => {
  const half = tuned("half", (weights) => {
    for (const [name, tensor] of weights) weights.set(name, tensor.to("float16"));
  });
  const out = join(root, "mixed");
  await interpolateWeights(base, half, { alpha: 0.25, out });
  const [file, from, to] = [out, base, half].map((folder) =>
    readSafetensors(join(folder, "model.safetensors")),
  );
  scope(() => {
    for (const name of file!.names) {
      assert.equal(file!.info(name).dtype, "float16");
      const wanted = from!.tensor(name).mul(0.75).add(to!.tensor(name).to("float32").mul(0.25));
      assert.deepEqual(file!.tensor(name).data(), wanted.to("float16").data(), name);
    }
  });
  for (const one of [file, from, to]) one!.close();
});
