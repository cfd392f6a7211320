/**
 * Pairs of test/goldens/models with one thing wrong, as people meet them: `loadModel` says what, in one
 * error that names the file or the option, and keeps no memory.
 */
import assert from "node:assert/strict";
import {
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { CheckpointError, DataError, UnsettledError } from "../errors.ts";
import { endToEnd, endToEndPairs, endToEndPath } from "../../test/support/end-to-end-goldens.ts";
import { memory, scope } from "../torch/index.ts";
import type { GivenFacts } from "./layout.ts";
import { loadModel } from "../inference/load-model.ts";
import { readSafetensors, writeSafetensors } from "./weights/safetensors.ts";

const root = mkdtempSync(join(tmpdir(), "limn-bad-"));
after(() => rmSync(root, { recursive: true }));

type JsonObject = Record<string, unknown>;
type Name = (typeof endToEndPairs)[number]["name"];
type Change = (folder: string) => void;

const pairOf = (name: Name) =>
  endToEndPairs.find((pair) => pair.name === name) ?? assert.fail(name);

/** The path of a copy that went through `change`. */
function changed(name: Name, change: Change): string {
  const folder = mkdtempSync(join(root, `${name}-`));
  const pair = pairOf(name);
  const from = endToEndPath(pair);
  cpSync("file" in pair ? join(from, "..") : from, folder, { recursive: true });
  change(folder);
  return "file" in pair ? join(folder, pair.file) : folder;
}

const json =
  (file: string, change: (json: never) => void): Change =>
  (folder) => {
    const path = join(folder, file);
    const value = JSON.parse(readFileSync(path, "utf8")) as never;
    change(value);
    writeFileSync(path, JSON.stringify(value));
  };

const without =
  (...files: string[]): Change =>
  (folder) => {
    for (const file of files) rmSync(join(folder, file));
  };

const cut =
  (file: string, kept: number): Change =>
  (folder) => {
    const path = join(folder, file);
    truncateSync(path, Math.floor(statSync(path).size * kept));
  };

/** Puts a value into the middle of one weight. */
const poisoned =
  (file: string, name: string, value: number): Change =>
  (folder) => {
    const path = join(folder, file);
    const weights = readSafetensors(path);
    scope(() => {
      const entries = weights.names.map((one) => [one, weights.tensor(one)] as const);
      entries
        .find(([one]) => one === name)?.[1]
        .view(-1)
        .narrow(0, 3, 1)
        .fill_(value);
      writeSafetensors(`${path}.new`, entries);
    });
    weights.close();
    cpSync(`${path}.new`, path);
    rmSync(`${path}.new`);
  };

type ErrorClass = typeof CheckpointError | typeof DataError | typeof UnsettledError;

interface Case {
  name: Name;
  what: string;
  change: Change;
  error?: ErrorClass;
  message: RegExp;
  given?: GivenFacts;
}

async function refuses({ name, change, error = CheckpointError, message, given }: Case) {
  const path = changed(name, change);
  const before = memory().tensors;
  await assert.rejects(loadModel(path, { ...endToEnd(pairOf(name)).given, ...given }), (found) => {
    assert.ok(found instanceof error, String(found));
    assert.match(found.message, message);
    assert.ok(found.message.length < 2000);
    return true;
  });
  assert.equal(memory().tensors, before);
}

interface OpenClipJson {
  model_cfg: { text_cfg: JsonObject; vision_cfg: JsonObject } & JsonObject;
}
interface HuggingFaceJson {
  text_config: JsonObject;
  vision_config: JsonObject;
}

const cases: Case[] = [
  {
    name: "siglip",
    what: "a configuration that lies about shapes",
    change: json("config.json", ({ vision_config }: HuggingFaceJson) => {
      vision_config["intermediate_size"] = 29;
    }),
    message: /mis-shaped:\n.*fc1\.weight expected \[29, 16\] received \[28, 16\]/s,
  },
  {
    name: "align",
    what: "a configuration of more blocks than there are",
    change: json("config.json", ({ text_config }: HuggingFaceJson) => {
      text_config["num_hidden_layers"] = 3;
    }),
    message: /16 missing:\n.*encoder\.layer\.2\./s,
  },
  {
    name: "open-clip-vit",
    what: "a configuration that lies about shapes",
    change: json("open_clip_config.json", ({ model_cfg }: OpenClipJson) => {
      model_cfg.text_cfg["vocab_size"] = 600;
    }),
    message: /mis-shaped:\n +token_embedding\.weight expected \[600, 16\] received \[554, 16\]/,
  },
  {
    name: "open-clip-vit",
    what: "a key of open_clip that is not known",
    change: json("open_clip_config.json", ({ model_cfg }: OpenClipJson) => {
      model_cfg.vision_cfg["head_widht"] = 8;
    }),
    message: /received model_cfg\.vision_cfg\.head_widht; Did you mean "head_width"\?/,
  },
  {
    name: "siglip",
    what: "a vocabulary that is larger than the table",
    change: (folder) =>
      cpSync(
        join(endToEndPath(pairOf("siglip2")), "tokenizer.json"),
        join(folder, "tokenizer.json"),
      ),
    given: { tokenizer: join(endToEndPath(pairOf("siglip2")), "tokenizer.json") },
    message: /a tokenizer of at most 120 ids for the model .* received one of 330 ids; copy the/,
  },
  {
    name: "open-clip-vit",
    what: "merges of another model",
    change: (folder) => {
      const path = join(folder, "merges.txt");
      writeFileSync(path, readFileSync(path, "utf8").split("\n").slice(0, 20).join("\n"));
    },
    message: /at most 554 ids that ends texts with 553 .* received one of 533 ids/,
  },
  {
    name: "align",
    what: "a vocabulary that was cut",
    change: (folder) => {
      rmSync(join(folder, "tokenizer.json"));
      writeFileSync(join(folder, "vocab.txt"), "[PAD]\nthe\n");
    },
    error: DataError,
    message: /a vocabulary for .*vocab\.txt .*no \[UNK\], \[CLS\], \[SEP\] among its lines/,
  },
  {
    name: "clip",
    what: "a weight that is not a number",
    change: poisoned("model.safetensors", "text_projection.weight", Number.NaN),
    message: /finite weights in .* but 1 hold NaN .*\n +textTower\.projection\.weight$/,
  },
  {
    name: "open-clip-siglip",
    what: "a weight that is infinite",
    change: poisoned("open_clip_model.safetensors", "visual.proj", Infinity),
    message: /finite weights in .* but 1 hold NaN .*\n +imageTower\.projection\.weight$/,
  },
  {
    name: "clip",
    what: "weights that were cut",
    change: cut("model.safetensors", 0.7),
    message: /model\.safetensors but its data is cut off at byte \d+ of \d+; fetch or save/,
  },
  {
    name: "open-clip-resnet",
    what: "weights that were cut within their header",
    change: cut("open_clip_model.safetensors", 0.01),
    message:
      /open_clip_model\.safetensors but its header claims \d+ bytes but the file has \d+; fetch/,
  },
  {
    name: "openai",
    what: "an archive that was cut",
    change: cut("tiny.pt", 0.7),
    message: /tiny\.pt but it is no whole zip archive: .* fetch or save it again/,
  },
  {
    name: "siglip",
    what: "no tokenizer",
    change: without("spiece.model"),
    error: UnsettledError,
    message:
      /a tokenizer in .* none of .*spiece\.model.* the option tokenizer, in a recipe with \{ path, tokenizer \} in place of the path$/,
  },
  {
    name: "open-clip-siglip",
    what: "no tokenizer",
    change: without("tokenizer.json"),
    error: UnsettledError,
    message:
      /a tokenizer in .* none of tokenizer\.json, .* the option tokenizer, in a recipe with \{ path, tokenizer \} in place of the path$/,
  },
  {
    name: "openai",
    what: "no tokenizer",
    change: without("bpe_simple_vocab_16e6.txt.gz"),
    error: UnsettledError,
    message:
      /a tokenizer in .* bpe_simple_vocab_16e6\.txt\.gz.* the option tokenizer, in a recipe with \{ path, tokenizer \} in place of the path$/,
  },
  {
    name: "siglip",
    what: "no preprocessing",
    change: without("processor_config.json"),
    error: UnsettledError,
    message:
      /preprocessor_config\.json in .* say how pictures are prepared with the option evaluationTransform, in a recipe with/,
  },
  {
    name: "siglip2",
    what: "a damaged tokenizer",
    change: cut("tokenizer.json", 0.5),
    error: DataError,
    message: /a tokenizer\.json for .*tokenizer\.json but could not read one/,
  },
  {
    name: "clip",
    what: "a processor of another model",
    change: json("preprocessor_config.json", (value: JsonObject) => {
      value["image_processor_type"] = "BlipImageProcessor";
    }),
    message: /CLIPImageProcessor, .* for image_processor_type .* "BlipImageProcessor"/,
  },
  {
    name: "clip",
    what: "a model type that is not known",
    change: json("config.json", (value: JsonObject) => void (value["model_type"] = "clpi")),
    message: /for model_type in .* "clpi"; limn has no tower that computes it$/,
  },
];

describe("loadModel, given a checkpoint with one thing wrong, refuses", () => {
  for (const one of cases) it(`${one.what} (${one.name})`, () => refuses(one));

  it("a file that leaves something open, or another architecture's weights", async () => {
    const path = endToEndPath(pairOf("open-clip-checkpoint"));
    const { given } = endToEnd(pairOf("open-clip-checkpoint"));
    const option = (name: string) => (error: unknown) =>
      error instanceof UnsettledError && error.option === name;
    await assert.rejects(loadModel(path), option("activation"));
    await assert.rejects(
      loadModel(path, { activation: "quickGelu" }),
      option("evaluationTransform"),
    );
    const other = { ...given, architecture: "ViT-B-32" };
    await assert.rejects(loadModel(path, other), /missing|mis-shaped/);
  });
});
