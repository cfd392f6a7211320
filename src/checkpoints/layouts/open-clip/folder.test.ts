import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { CheckpointError } from "../../../errors.ts";
import { scope } from "../../../torch/index.ts";
import type { VisionTransformerConfig } from "../../../towers/image/vision-transformer.ts";
import { readSafetensors, writeSafetensors } from "../../weights/safetensors.ts";
import type { Layout } from "../../layout.ts";
import { Place } from "../../place.ts";
import { configFile, folderLayout, openClipFolder } from "./folder.ts";
import { pairConfigOf } from "../../checkpoint.ts";
import { probabilityKind } from "../../../pair/dual-encoder.ts";
import {
  assertPair,
  goldenPlace,
  named,
  pairOf,
  placeOf,
} from "../../../../test/support/golden-models.ts";
import { openClipFiles } from "./write.ts";

const root = mkdtempSync(join(tmpdir(), "limn-open-clip-"));
after(() => rmSync(root, { recursive: true }));

/** The tower that the generator registers with timm, under the name that it gives it. */
const tinySiglip: VisionTransformerConfig = {
  kind: "vit",
  imageSize: 32,
  patchSize: 8,
  width: 24,
  depth: 2,
  heads: 3,
  mlpWidth: 60,
  activation: "geluTanh",
  normEpsilon: 1e-6,
  classToken: false,
  pooling: "map",
  normBefore: false,
  patchBias: true,
};
const withTiny = folderLayout((name) =>
  name === "vit_limn_patch8_siglip_32" ? tinySiglip : undefined,
);

/** A copy of a golden whose configuration went through `change`. */
function changed(name: string, change: (json: { model_cfg: Record<string, unknown> }) => void) {
  const folder = mkdtempSync(join(root, "changed-"));
  cpSync(goldenPlace(name).folder, folder, { recursive: true });
  const file = join(folder, configFile);
  const json = JSON.parse(readFileSync(file, "utf8")) as { model_cfg: Record<string, unknown> };
  change(json);
  writeFileSync(file, JSON.stringify(json));
  return placeOf(folder);
}

describe("openClipFolder, when a folder does not fit", () => {
  it("names a tower of timm that it does not know", () => {
    assert.throws(
      () => openClipFolder.read(goldenPlace("open-clip-siglip-timm"), {}),
      (error) =>
        error instanceof CheckpointError &&
        error.file.endsWith(configFile) &&
        /a plain ViT of timm, such as .* for model_cfg\.vision_cfg\.timm_model_name in/.test(
          error.message,
        ),
    );
  });

  it("names weights that are not there", () => {
    const place = changed("open-clip-vit", () => undefined);
    const { path, folder } = place;
    const bare = new Place({ path, folder, file: undefined, names: [configFile] });
    const source = openClipFolder.read(bare, {});
    assert.throws(() => source.weights(), /one of open_clip_model\.safetensors, .* no such file/);
  });

  it("names the option that gives a tokenizer, and a field that it does not know", async () => {
    const bare = [configFile, "open_clip_model.safetensors"];
    const source = openClipFolder.read(goldenPlace("open-clip-vit", undefined, bare), {});
    await assert.rejects(source.tokenizer(), /merges\.txt, .* option tokenizer/);
    const place = changed("open-clip-vit", ({ model_cfg }) => (model_cfg["text_config"] = {}));
    const message = /limn knows in .* received model_cfg\.text_config; Did you mean "text_cfg"\?/;
    assert.throws(() => openClipFolder.read(place, {}), message);
    const twice = changed("open-clip-vit", ({ model_cfg }) => {
      const text = model_cfg["text_cfg"] as Record<string, unknown>;
      text["tokenizer_kwargs"] = { context_length: 4 };
    });
    assert.throws(() => openClipFolder.read(twice, {}), /tokenizer_kwargs\.context_length/);
  });
});

describe("openClipFolder", () => {
  const goldens: [string, Layout, string][] = [
    ["open-clip-vit", openClipFolder, "CLIP"],
    ["open-clip-resnet", openClipFolder, "CLIP"],
    ["open-clip-siglip-timm", withTiny, "SigLIP"],
  ];
  for (const [name, layout, family] of goldens) {
    it(`computes what open_clip does: ${name}`, () => {
      using place = goldenPlace(name);
      assert.ok(layout.matches(place));
      const source = layout.read(place, {});
      assert.equal(source.family, family);
      assert.equal(
        probabilityKind(pairConfigOf(source)),
        family === "SigLIP" ? "sigmoid" : "softmax",
      );
      const model = pairOf(source);
      assertPair(name, model);
      model.dispose();
    });
  }

  it("reads how pictures are prepared", () => {
    const transform = (name: string): unknown =>
      withTiny.read(goldenPlace(name), {}).evaluationTransform();
    const half = [0.5, 0.5, 0.5];
    assert.deepEqual(transform("open-clip-siglip-timm"), {
      imageSize: 32,
      resizeMode: "squash",
      crop: "none",
      interpolation: "bicubic",
      colorConversion: "afterResize",
      mean: half,
      std: half,
    });
    assert.equal((transform("open-clip-vit") as { resizeMode: string }).resizeMode, "shortest");
  });

  for (const name of ["open-clip-vit", "open-clip-resnet"]) {
    it(`writes what it reads, bit for bit: ${name}`, () => {
      using place = goldenPlace(name);
      const source = openClipFolder.read(place, {});
      const model = pairOf(source);
      const folder = mkdtempSync(join(root, "written-"));
      const written = openClipFiles(folder, model.config, source.evaluationTransform());
      for (const [file, text] of Object.entries(written.files))
        writeFileSync(join(folder, file), text);
      scope(() => writeSafetensors(join(folder, written.weightsFile), named(written.table, model)));
      const again = openClipFolder.read(placeOf(folder), {});
      assert.deepEqual(again.contents, source.contents);
      assert.deepEqual(again.evaluationTransform(), source.evaluationTransform());
      const [before, now] = [goldenPlace(name).folder, folder].map((at) =>
        readSafetensors(join(at, written.weightsFile)),
      );
      const kept = before?.names.filter((key) => !key.endsWith(".num_batches_tracked"));
      assert.deepEqual([...(now?.names ?? [])].sort(), kept?.sort());
      scope(() => {
        for (const key of kept ?? []) {
          assert.deepEqual(now?.tensor(key).data(), before?.tensor(key).data(), key);
        }
      });
      before?.close();
      now?.close();
      model.dispose();
    });
  }
});
