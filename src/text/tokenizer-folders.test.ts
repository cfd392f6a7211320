/** What a folder's configuration says of rows and special tokens, as transformers follows it. */
import { strict as assert } from "node:assert";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { familyTokenizer } from "./family-tokenizer.ts";
import { createTokenizer, loadTokenizer } from "./load-tokenizer.ts";
import { saveTokenizer } from "./save-tokenizer.ts";

const goldens = fileURLToPath(new URL("../../../test/goldens/models", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "limn-tokenizer-folders-"));
after(() => rmSync(root, { recursive: true }));

let count = 0;
type Json = Record<string, unknown>;

/** A copy of a tiny model's folder, with other fields in one of its files; null removes a file. */
function folderOf(model: string, changes: Record<string, Json | null> = {}): string {
  const folder = join(root, String(count++));
  cpSync(join(goldens, model), folder, { recursive: true });
  for (const [name, fields] of Object.entries(changes)) {
    const file = join(folder, name);
    if (fields === null) {
      rmSync(file);
      continue;
    }
    const json = JSON.parse(readFileSync(file, "utf8")) as Json;
    writeFileSync(file, JSON.stringify({ ...json, ...fields }));
  }
  return folder;
}

const config = "tokenizer_config.json";
const json = "tokenizer.json";
const classes = {
  ...{ clip: "CLIPTokenizer", siglip: "SiglipTokenizer" },
  ...{ siglip2: "Siglip2Tokenizer", align: "BertTokenizer" },
};

describe("sides that are not followed", () => {
  const cases: [keyof typeof classes, Record<string, Json | null>, RegExp][] = [
    ["clip", { [config]: { padding_side: "left" } }, /"right" for padding_side .* filled in front/],
    ["clip", { [config]: { truncation_side: "left" } }, /for truncation_side .* cut in front/],
    ["clip", { [config]: { padding_side: "left" }, [json]: null }, /for padding_side/],
    ["siglip", { [config]: { padding_side: "left" } }, /for padding_side of .*spiece\.model/],
    ["siglip2", { [config]: { padding_side: "left" } }, /for padding_side/],
    ["align", { [config]: { truncation_side: "left" } }, /for truncation_side/],
    ["align", { [config]: null, [json]: { padding: { direction: "Left" } } }, /for padding_side/],
  ];
  for (const [model, changes, message] of cases) {
    test(`${model} ${JSON.stringify(changes)}`, async () => {
      const loaded = loadTokenizer(folderOf(model, changes), { tokenizerClass: classes[model] });
      await assert.rejects(loaded, { code: "LIMN_DATA", message });
    });
  }
  test("the configuration counts before the file of the vocabulary", async () => {
    const changes = {
      [config]: { padding_side: "right" },
      [json]: { padding: { direction: "Left" } },
    };
    await loadTokenizer(folderOf("align", changes));
  });
});

test("a text of a megabyte is read, whatever the family", async () => {
  for (const model of Object.keys(classes) as (keyof typeof classes)[]) {
    const tokenizer = await loadTokenizer(folderOf(model), {
      tokenizerClass: classes[model],
      contextLength: 16,
    });
    const { ids } = tokenizer.encode("a cat and a dog ".repeat(65_536));
    assert.deepEqual([...ids], [...tokenizer.encode("a cat and a dog ".repeat(64)).ids], model);
  }
});

describe("special tokens", () => {
  test("a special_tokens_map.json counts before a configuration without added tokens", async () => {
    const padOf = async (changes: Json): Promise<number> => {
      const folder = folderOf("clip", { [config]: changes });
      writeFileSync(join(folder, "special_tokens_map.json"), '{"pad_token": {"content": "!"}}');
      return (await loadTokenizer(folder)).padId;
    };
    assert.equal(await padOf({}), 0);
    assert.equal(await padOf({ added_tokens_decoder: {} }), 553);
  });

  test("BERT's rows are padded with [PAD] where no file names it", async () => {
    const folder = folderOf("align", { [config]: null });
    const tokenizer = await loadTokenizer(folder, {
      tokenizerClass: "BertTokenizer",
      contextLength: 12,
    });
    // transformers 5.23, BertTokenizer of the same folder.
    const ids = [2, 16, 90, 92, 16, 78, 5, 3, 0, 0, 0, 0];
    assert.deepEqual([...tokenizer.encode("a photo of a CAT!").ids], ids);
  });

  for (const without of ["none", json]) {
    test(`a padding of the vocabulary is looked for in texts; absent: ${without}`, async () => {
      const folder = folderOf("clip", {
        [config]: { pad_token: "!" },
        ...(without === json && { [json]: null }),
      });
      // transformers 5.23, CLIPTokenizer of the same folder: "!" is id 0 and no word's end.
      const row = [552, 320, 79, 71, 78, 531, 539, 320, 66, 536, 0, 553, 0, 0];
      const clip = await loadTokenizer(folder, { contextLength: 14 });
      assert.deepEqual([...clip.encode("a photo of a CAT!").ids], row);
      const plain = await familyTokenizer("clip-hugging-face", folder, {
        contextLength: 14,
        clean: "none",
      });
      const found = (await createTokenizer(plain)).encode("a photo of a CAT!").ids;
      assert.deepEqual([...found], row);
      const saved = join(root, `saved-${without}`);
      await saveTokenizer(clip, saved);
      const again = await loadTokenizer(saved);
      assert.deepEqual([...again.encode("a photo of a CAT!").ids], row);
    });
  }
});

describe("a file of a folder that leads nowhere, or is none", () => {
  // Passed over, the tokenizer would be another one: a cache that was half removed has such links.
  for (const name of [json, config, "special_tokens_map.json", "merges.txt"]) {
    test(name, async () => {
      const folder = folderOf("clip");
      rmSync(join(folder, name), { force: true });
      symlinkSync(join(folder, "removed"), join(folder, name));
      await assert.rejects(loadTokenizer(folder), {
        code: "LIMN_DATA",
        message: new RegExp(`${name}.*it is a link that leads nowhere`),
      });
    });
  }
});
