import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { checkModelTarget, writeModelFolder } from "./model-folder.ts";

const root = mkdtempSync(join(tmpdir(), "limn-target-"));
after(() => rmSync(root, { recursive: true }));

/** A folder of these files, with objects as JSON. */
function folderOf(files: Record<string, object | string>, name = "model"): string {
  const folder = join(mkdtempSync(join(root, "a-")), name);
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(
      join(folder, file),
      typeof content === "string" ? content : JSON.stringify(content),
    );
  }
  return folder;
}

const weights = { "model.safetensors": "weights" };
const limns = {
  "model.safetensors": "weights",
  "config.json": { model_type: "clip" },
  "preprocessor_config.json": {},
  "tokenizer.json": {},
  "tokenizer_config.json": { limn: { kind: "tokenizer.json" } },
};
const run = { "recipe.json": {}, "metrics.jsonl": "" };
const state = { "training/state.json": {}, "training/optimizer.safetensors": "" };

describe("a folder from before there were records", () => {
  const replaced: Record<string, string> = {
    "with limn's tokenizer": folderOf(limns),
    "with limn's layout": folderOf({ ...weights, "config.json": { model_type: "limn-tower" } }),
    "of shards": folderOf({
      ...limns,
      "model-00001-of-00002.safetensors": "",
      "model.safetensors.index.json": {},
    }),
    "as a run's model": join(folderOf(run, ""), "model"),
    "as a run's adapter": join(folderOf(run, ""), "adapter"),
    "as a run's checkpoint": join(folderOf(run, ""), "checkpoints", "step-00000004"),
  };
  for (const [what, folder] of Object.entries(replaced)) {
    it(`is replaced ${what}`, async () => {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "model.safetensors"), "weights");
      if (folder.includes("step-")) {
        mkdirSync(join(folder, "training"));
        writeFileSync(join(folder, "training", "state.json"), "{}");
      }
      await writeModelFolder(folder, (partial) =>
        writeFileSync(join(partial, "config.json"), "{}"),
      );
      assert.deepEqual(readdirSync(folder), [".limn-files.json", "config.json"]);
    });
  }

  const kept: Record<string, string> = {
    "that another library wrote": folderOf({ ...weights, "config.json": { model_type: "clip" } }),
    "that transformers saved again": folderOf({
      ...limns,
      "config.json": { model_type: "clip", transformers_version: "5.0.0" },
    }),
    "with another file": folderOf({ ...limns, "README.md": "mine" }),
    "with another folder": folderOf({ ...limns, "notes/a": "mine" }),
    "with another file of the run": folderOf({ ...limns, ...state, "training/notes.txt": "mine" }),
    "with a folder of a file's name": folderOf({ ...limns, "vocab.txt/a": "mine" }),
    "named as a run's model, in no run": folderOf(weights),
    "that peft wrote": folderOf({ "adapter_config.json": {}, "adapter_model.safetensors": "" }),
    "of tables": folderOf({ "vocab.json": {}, "classes.json": {} }),
  };
  for (const [what, folder] of Object.entries(kept)) {
    it(`is refused ${what}`, async () => {
      const before = readdirSync(folder, { recursive: true });
      await assert.rejects(checkModelTarget(folder), /which limn did not write; choose another/);
      await assert.rejects(
        writeModelFolder(folder, () => assert.fail("nothing is begun")),
        { name: "StorageError", file: folder },
      );
      assert.deepEqual(readdirSync(folder, { recursive: true }), before);
    });
  }
});
