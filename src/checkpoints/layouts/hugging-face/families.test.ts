/**
 * Every family on a tiny model in its own files (test/goldens/generate/hugging-face-models.py), and its
 * table on the published sizes (hugging-face-names.py).
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";

import { initializeOn } from "../../../nn/initialize.ts";
import {
  checkOutputs,
  computedWith,
  createContents,
  folderOf,
  loadGolden,
  namedState,
  neededWeights,
  openGolden,
  readExpected,
} from "../../../../test/support/golden-models.ts";
import { memory, scope } from "../../../torch/index.ts";
import type { JsonObject } from "../../../files/json-fields.ts";
import { pairConfig, pairNames } from "../../../pair/published.ts";
import { splitRows } from "../../checkpoint.ts";
import { canonicalWeights, weightRows } from "../../weights/key-table.ts";
import { matchWeights, type FoundWeight } from "../../weights/check-weights.ts";
import type { WeightFile, Weights } from "../../weights/weight-file.ts";
import { align } from "./align-family.ts";
import { bert } from "./bert-family.ts";
import type { HuggingFaceFamily } from "./family.ts";
import { siglip } from "./siglip-family.ts";
import { siglip2 } from "./siglip2-family.ts";
import { vit } from "./vit-family.ts";

const families = [siglip, siglip2, align, vit, bert];

/** The golden's weights after `change` of their names. */
function renamed(change: (name: string) => string): (model: string) => WeightFile {
  return (model) => {
    const file = openGolden(model);
    const spelled = new Map(file.names.map((name) => [change(name), name]));
    const real = (name: string): string => spelled.get(name) ?? name;
    return {
      ...file,
      names: [...spelled.keys()],
      info: (name) => file.info(real(name)),
      tensor: (name) => file.tensor(real(name)),
      readInto: (name, target) => file.readInto(real(name), target),
    };
  };
}

for (const family of families) {
  const { modelType } = family;
  describe(`${modelType}, in files that transformers wrote`, () => {
    const expected = readExpected(folderOf(family));

    it("names every weight that is missing or too many", () => {
      const { rows } = loadGolden(family);
      const last = [...neededWeights(rows).keys()].at(-1) as string;
      assert.throws(
        () =>
          loadGolden(
            family,
            renamed((name) => (name.endsWith(last) ? "x.y" : name)),
          ),
        {
          code: "LIMN_CHECKPOINT",
          message: new RegExp(`1 missing:\n {4}${last}\n {2}1 unexpected:\n {4}x\\.y$`),
        },
      );
    });

    it("gives the embeddings and logits that transformers computes", () => {
      const { model } = loadGolden(family);
      checkOutputs(model, expected);
      model.dispose();
    });

    it("gives weights back bit for bit, under their names", () => {
      const { model, contents, rows } = loadGolden(family);
      const table = family.table(contents);
      using opened = openGolden(folderOf(family));
      const file = canonicalWeights(opened, table);
      scope(() => {
        const state = new Map(namedState(contents.kind, model));
        const back = new Map(splitRows(rows, state));
        assert.deepEqual([...back.keys()].sort(), [...computedWith(file, table).keys()].sort());
        for (const [name, tensor] of back) {
          const there = file.tensor(name);
          assert.deepEqual(tensor.shape, there.shape, name);
          assert.ok(tensor.equals(there), name);
        }
      });
      model.dispose();
    });

    it("frees all that loading took", () => {
      const before = memory().tensors;
      loadGolden(family).model.dispose();
      assert.equal(memory().tensors, before);
    });
  });
}

describe("files that spell names in another way", () => {
  const outputs = (family: HuggingFaceFamily, change: (name: string) => string): void => {
    const { model } = loadGolden(family, renamed(change));
    checkOutputs(model, readExpected(folderOf(family)));
    model.dispose();
  };

  it("leave out the prefix of ViTModel and BertModel", () => {
    outputs(vit, (name) => name.replace(/^vit\./, ""));
    outputs(bert, (name) => name.replace(/^bert\./, ""));
  });

  it("call a norm's weight and bias gamma and beta, in old files of BERT", () => {
    outputs(bert, (name) =>
      name
        .replace("LayerNorm.weight", "LayerNorm.gamma")
        .replace("LayerNorm.bias", "LayerNorm.beta"),
    );
  });
});

interface Published {
  class: string;
  config: JsonObject;
  parameters: number;
  weights: string;
}
const published = (
  JSON.parse(
    gunzipSync(
      readFileSync(
        new URL("../../../../../test/goldens/hugging-face-names.json.gz", import.meta.url),
      ),
    ).toString(),
  ) as { models: Record<string, Published> }
).models;

describe("published sizes", () => {
  it("are of every family and every published SigLIP", () => {
    const types = new Set(
      Object.values(published).map(({ config }) => String(config["model_type"])),
    );
    assert.deepEqual([...types].sort(), families.map(({ modelType }) => modelType).sort());
    const names = pairNames.filter((name) => /^SigLIP|^ALIGN/.test(name) && name !== "SigLIP-S/16");
    assert.deepEqual(
      names.filter((name) => !Object.hasOwn(published, name)),
      [],
    );
  });

  for (const [name, { config, parameters, weights }] of Object.entries(published)) {
    const family = families.find(({ modelType }) => modelType === config["model_type"]);
    it(`have transformers' names and shapes: ${name}`, () => {
      assert.ok(family);
      const { contents } = family.fromConfig("config.json", config);
      if (contents.kind === "pair") {
        assert.deepEqual(contents.config, pairConfig(name));
        assert.ok(family.holds(contents.config));
      }
      // At other image sizes only the positions differ.
      if (/-\d{3}$/.test(name) && name !== "SigLIP-So400m/14-384") return;
      const model = initializeOn("meta", () => createContents(contents));
      const table = family.table(contents);
      const rows = weightRows(table, namedState(contents.kind, model));
      const found = canonicalWeights(listed(weights), table);
      matchWeights(name, neededWeights(rows), computedWith(found, table));
      const more = found.names.filter((one) => !computedWith(found, table).has(one));
      const beside = more.reduce((sum, one) => sum + countOf(found, one), 0);
      assert.equal(model.parameterCount() + beside, parameters);
      model.dispose();
    });
  }
});

/** Learned numbers of a weight; batch counts are none. */
function countOf(file: Weights, name: string): number {
  if (name.endsWith("num_batches_tracked")) return 0;
  return file.info(name).shape.reduce((product, side) => product * side, 1);
}

/** A file of lines "name 2x3". */
function listed(lines: string): Weights {
  const found = new Map(
    lines.split("\n").map((line): [string, FoundWeight["shape"]] => {
      const [name = "", shape = ""] = line.split(" ");
      return [name, shape === "" ? [] : shape.split("x").map(Number)];
    }),
  );
  const unread = (): never => assert.fail("no weight is read");
  return {
    file: "names",
    names: [...found.keys()],
    metadata: {},
    has: (name) => found.has(name),
    info: (name) => ({ dtype: "float32", storedAs: "F32", shape: found.get(name) ?? [], bytes: 0 }),
    tensor: unread,
    layer: unread,
    readInto: unread,
  };
}
