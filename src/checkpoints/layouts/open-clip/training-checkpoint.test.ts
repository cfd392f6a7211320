import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { scope, zeros, type Tensor } from "../../../torch/index.ts";
import type { TextTransformerConfig } from "../../../towers/text/text-transformer.ts";
import type { VisionTransformerConfig } from "../../../towers/image/vision-transformer.ts";
import { loadCarried } from "../../checkpoint.ts";
import { DualEncoder, type DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import { writeSafetensors } from "../../weights/safetensors.ts";
import type { DescribedModel, GivenFacts } from "../../layout.ts";
import type { Place } from "../../place.ts";
import { fill, named, placeOf } from "../../../../test/support/golden-models.ts";
import { clipNames, openClipTable, type OpenClipNames } from "./keys.ts";
import { openClipCheckpoint } from "./training-checkpoint.ts";

const root = mkdtempSync(join(tmpdir(), "limn-checkpoint-"));
after(() => rmSync(root, { recursive: true }));

const layers = {
  width: 64,
  depth: 1,
  heads: 1,
  mlpWidth: 48,
  activation: "gelu",
  normEpsilon: 1e-5,
};
const vit = { kind: "vit", imageSize: 32, patchSize: 16, ...layers } as VisionTransformerConfig;
const text = {
  kind: "transformer",
  contextLength: 8,
  vocabSize: 64,
  ...layers,
  eotTokenId: 63,
  padTokenId: 0,
} as TextTransformerConfig;
const pair: DualEncoderConfig = {
  embedDim: 16,
  image: vit,
  text,
  logitScaleLogInit: Math.log(1 / 0.07),
};

/** A bare state dict of a model with these names behind `prefix`, as safetensors. */
function stateDict(
  config: DualEncoderConfig,
  { prefix = "", ...names }: Partial<OpenClipNames> & { prefix?: string } = {},
  change: (weights: Map<string, Tensor>) => void = () => undefined,
): { place: Place; model: DualEncoder } {
  const model = new DualEncoder(config);
  const folder = mkdtempSync(join(root, "dict-"));
  scope(() => {
    const whole = { ...clipNames, ...names };
    const weights = new Map(
      named(openClipTable(whole), model).map(([name, one]) => [prefix + name, one] as const),
    );
    change(weights);
    writeSafetensors(join(folder, "epoch_1.safetensors"), weights);
  });
  return { place: placeOf(folder, "epoch_1.safetensors"), model };
}

const read = (place: Place, given: GivenFacts = {}): DescribedModel =>
  openClipCheckpoint.read(place, given);

describe("openClipCheckpoint, of what the weights do not say", () => {
  it("names the activation, the preprocessing and the tokenizer", async () => {
    const { place } = stateDict(pair);
    assert.throws(
      () => read(place),
      /"quickGelu" .* or "gelu" for activation of .* option activation, in a recipe with/,
    );
    const source = read(place, { activation: "gelu" });
    assert.throws(
      () => source.evaluationTransform(),
      /the option evaluationTransform, in a recipe with/,
    );
    await assert.rejects(
      source.tokenizer(),
      /the option tokenizer, in a recipe with \{ path, tokenizer \} in place of the path$/,
    );
  });

  it("names the architecture where heads cannot be counted", () => {
    const wide = { ...pair, image: { ...vit, width: 1088, heads: 17 } };
    const message = /heads of a width of 1088 cannot be counted, for architecture/;
    assert.throws(() => read(stateDict(wide).place, { activation: "gelu" }), message);
    const odd = { ...pair, text: { ...text, width: 72, heads: 1 } };
    assert.throws(() => read(stateDict(odd).place, { activation: "gelu" }), /width of 72/);
  });

  it("names the architecture where text may look ahead", () => {
    const siglip = { ...pair, text: { ...text, projectionBias: true } };
    const { place } = stateDict(siglip, { text: "text.", textProjection: "linear" });
    assert.throws(() => read(place, { activation: "gelu" }), /looks ahead for architecture/);
  });

  it("names a weight that is missing or has another shape", () => {
    const without = stateDict(pair, {}, (weights) => weights.delete("visual.conv1.weight"));
    const given = { activation: "gelu" } as const;
    assert.throws(() => read(without.place, given), /visual\.conv1\.weight is missing/);
    const flat = stateDict(pair, {}, (weights) => weights.set("visual.conv1.weight", zeros([4])));
    assert.throws(() => read(flat.place, given), /conv1\.weight has the shape \[4\]/);
    const oblong = stateDict(pair, {}, (weights) =>
      weights.set("visual.positional_embedding", zeros([4, 64])),
    );
    assert.throws(() => read(oblong.place, given), /a square of them .* received 4/);
  });

  it("refuses weights of another size than the named architecture's", () => {
    const { place } = stateDict(pair);
    const source = read(place, { architecture: "ViT-B/32" });
    assert.equal((source.contents as { config: DualEncoderConfig }).config.embedDim, 512);
    const model = new DualEncoder(pair);
    assert.throws(() => read(place, { architecture: "ViT-B/33" }), /architecture .* "ViT-B\/33"/);
    model.dispose();
  });
});

describe("openClipCheckpoint", () => {
  const spellings: [string, DualEncoderConfig, Parameters<typeof stateDict>[1]][] = [
    ["a CLIP", pair, {}],
    ["distributed training", pair, { prefix: "module." }],
    ["a compiled model", pair, { prefix: "_orig_mod." }],
    ["a compiled model in distributed training", pair, { prefix: "module._orig_mod." }],
    ["a model compiled around distributed training", pair, { prefix: "_orig_mod.module." }],
    ["a Lightning module", pair, { prefix: "model." }],
    [
      "a CustomTextCLIP with a bias of the logits",
      { ...pair, logitBiasInit: -10 },
      { text: "text." },
    ],
    [
      "a ResNet",
      {
        ...pair,
        image: { kind: "modifiedResNet", imageSize: 64, width: 4, depths: [2, 1, 3, 1], heads: 2 },
      },
      { image: "modifiedResNet" },
    ],
  ];
  for (const [what, config, names] of spellings) {
    it(`finds sizes and weights of ${what}`, () => {
      const { place, model } = stateDict(config, names);
      assert.ok(openClipCheckpoint.matches(place));
      const source = read(place, { activation: "gelu" });
      assert.deepEqual(source.contents, { kind: "pair", config });
      const loaded = new DualEncoder(config);
      fill(source, loaded);
      const weights = new Map(model.namedState());
      for (const [name, tensor] of loaded.namedState()) {
        assert.deepEqual(tensor.data(), weights.get(name)?.data(), name);
      }
      model.dispose();
      loaded.dispose();
    });
  }

  it("keeps the counts of batches under the names of a model that is not distributed", () => {
    const config: DualEncoderConfig = {
      ...pair,
      image: { kind: "modifiedResNet", imageSize: 64, width: 4, depths: [1, 1, 1, 1], heads: 2 },
    };
    const names = { image: "modifiedResNet", prefix: "module." } as const;
    const count = "visual.bn1.num_batches_tracked";
    const { place, model } = stateDict(config, names, (weights) =>
      weights.set(`module.${count}`, zeros([])),
    );
    model.dispose();
    scope(() => {
      const carried = loadCarried(read(place, { activation: "gelu" }));
      assert.deepEqual(
        carried.map(([name]) => name),
        [count],
      );
    });
  });

  it("takes the activation from a name, and from the option before the name", () => {
    const { place } = stateDict(pair);
    const activation = (given: GivenFacts): string => {
      const { contents } = read(place, given);
      return (contents as { config: DualEncoderConfig }).config.text.activation;
    };
    assert.equal(activation({ architecture: "ViT-B-32-quickgelu" }), "quickGelu");
    assert.equal(activation({ architecture: "ViT-B/32" }), "gelu");
    assert.equal(activation({ architecture: "ViT-B/32", activation: "quickGelu" }), "quickGelu");
  });
});
