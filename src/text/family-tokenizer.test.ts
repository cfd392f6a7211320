import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import {
  familyTokenizer,
  type FamilyTokenizerOptions,
  type TokenizerFamily,
} from "./family-tokenizer.ts";
import { createTokenizer, loadTokenizer } from "./load-tokenizer.ts";
import { saveTokenizer } from "./save-tokenizer.ts";
import type { TokenizerDescription } from "./tokenizer-description.ts";

type Files = Record<string, string | { base64: string }>;
interface Case {
  digests: string;
  shown: number[][];
}
interface Family {
  files: Files;
  t5?: Files;
  published?: Files;
  cased?: Files;
  cases: Record<string, Case>;
}

function golden(name: string): Record<string, unknown> {
  const url = new URL(`../../../test/goldens/${name}`, import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(url)).toString("utf8")) as Record<string, unknown>;
}

const { texts } = golden("captions.json.gz") as { texts: string[] };
const families = golden("family-tokens.json.gz") as unknown as Record<
  "clip" | "siglip" | "siglip2" | "bert" | "lit" | "added",
  Family
>;
const lit = golden("lit-tokens.json.gz") as unknown as Case & { files: Files };
families.lit = { files: lit.files, cases: { tensorflow_text: lit } };

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "limn-family-"));
  for (const [family, variants] of Object.entries(families)) {
    if (typeof variants !== "object" || !("files" in variants)) continue;
    const { cases: _, ...files } = variants;
    for (const [variant, content] of Object.entries(files))
      await unpack(`${family}/${variant}`, content);
  }
  // transformers' class writes its vocabulary into tokenizer.json only.
  await writeFile(join(folder, "bert/cased/vocab.txt"), families.bert.files["vocab.txt"] as string);
});
after(() => rm(folder, { recursive: true }));

async function unpack(name: string, files: Files): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  const model = families.siglip.files["spiece.model"];
  for (const [file, content] of Object.entries(files)) {
    const bytes =
      typeof content === "string"
        ? Buffer.from(content.replace('"spiece.model"', () => JSON.stringify(mapOf(model))))
        : Buffer.from(content.base64, "base64");
    await writeFile(
      join(folder, name, file),
      file === "tokenizer.json" ? bytes : typeof content === "string" ? content : bytes,
    );
  }
}

/** The character map in SentencePiece's model: the first field of its normalizer of such a length. */
function mapOf(model: Files[string] | undefined): string {
  assert.ok(typeof model === "object");
  const bytes = Buffer.from(model.base64, "base64");
  const at = bytes.indexOf("nmt_nfkc") + "nmt_nfkc".length;
  assert.equal(bytes[at], 0x12);
  let length = 0;
  let from = at + 1;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[from++] ?? 0;
    length += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
  }
  return bytes.toString("base64", from, from + length);
}

const lengths = [16, 300];

/** Captions whose rows of 16 or 300 ids are not the reference's. */
async function wrong(
  describe: (contextLength: number) => Promise<TokenizerDescription>,
  { digests, shown }: Case,
): Promise<string[]> {
  const tokenizers = await Promise.all(
    lengths.map(async (length) => createTokenizer(await describe(length))),
  );
  const rows = tokenizers.map((tokenizer) => tokenizer.encodeBatch(texts).tokens);
  for (const [i, ids] of shown.entries()) {
    assert.deepEqual(
      Array.from(rows[0]!.subarray(i * 16, i * 16 + 16)),
      ids,
      JSON.stringify(texts[i]),
    );
  }
  return texts.filter((_, i) => {
    const hash = createHash("sha256");
    for (const [k, length] of lengths.entries()) {
      const row = rows[k]!.slice(i * length, (i + 1) * length);
      hash.update(Buffer.from(row.buffer));
    }
    return hash.digest("hex").slice(0, 12) !== digests.slice(12 * i, 12 * i + 12);
  });
}

type Row = [
  name: string,
  golden: [keyof typeof families, string],
  family: TokenizerFamily,
  files: string,
  options?: FamilyTokenizerOptions,
];

const rowsOfReferences: Row[] = [
  ["OpenAI's cleaning", ["clip", "lower"], "clip-openai", "clip/files/merges.txt"],
  [
    "open_clip's whitespace",
    ["clip", "whitespace"],
    "clip-openai",
    "clip/files/merges.txt",
    { kwargs: { clean: "whitespace" } },
  ],
  [
    "open_clip's canonicalize",
    ["clip", "canonicalize"],
    "clip-openai",
    "clip/files/merges.txt",
    { kwargs: { clean: "canonicalize" } },
  ],
  [
    "CLIPTokenizer, vocab.json",
    ["clip", "transformers"],
    "clip-hugging-face",
    "clip/files",
    { clean: "none" },
  ],
  [
    "CLIPTokenizer, tokenizer.json",
    ["clip", "transformers"],
    "clip-hugging-face",
    "clip/files/tokenizer.json",
    { clean: "none" },
  ],
  ["SiglipTokenizer", ["siglip", "transformers"], "siglip", "siglip/files"],
  [
    "big_vision's SigLIP, retrieval",
    ["siglip", "big-vision-lower"],
    "siglip",
    "siglip/files",
    { clean: "big-vision-lower" },
  ],
  [
    "big_vision's SigLIP, zero-shot",
    ["siglip", "big-vision-canonicalize"],
    "siglip",
    "siglip/files",
    { clean: "big-vision-canonicalize" },
  ],
  [
    "open_clip's SigLIP",
    ["siglip", "open_clip"],
    "open-clip-hf",
    "siglip/t5",
    { kwargs: { clean: "canonicalize" }, padId: 1 },
  ],
  ["LiT's SentencePiece", ["siglip", "lit"], "lit-sentencepiece", "siglip/files"],
  ["Siglip2Tokenizer", ["siglip2", "transformers"], "siglip2", "siglip2/files"],
  [
    "Siglip2Tokenizer on Gemma's files",
    ["siglip2", "siglip2-of-gemma"],
    "siglip2",
    "siglip2/published",
  ],
  [
    "open_clip's SigLIP 2",
    ["siglip2", "open_clip"],
    "open-clip-hf",
    "siglip2/published",
    { kwargs: { clean: "canonicalize" } },
  ],
  [
    "big_vision's SigLIP 2, retrieval",
    ["siglip2", "big-vision-lower"],
    "siglip2",
    "siglip2/files/tokenizer.model",
  ],
  [
    "big_vision's SigLIP 2, zero-shot",
    ["siglip2", "big-vision-canonicalize"],
    "siglip2",
    "siglip2/files/tokenizer.model",
    { clean: "big-vision-canonicalize" },
  ],
  [
    "Gemma's SentencePiece",
    ["siglip2", "raw"],
    "siglip2",
    "siglip2/files/tokenizer.model",
    { clean: "none" },
  ],
  ["ALIGN, tokenizer.json", ["bert", "transformers"], "align", "bert/files"],
  ["ALIGN, vocab.txt", ["bert", "transformers"], "align", "bert/files/vocab.txt"],
  ["BERT with cases", ["bert", "cased"], "align", "bert/cased"],
  ["LiT's BERT", ["lit", "tensorflow_text"], "lit-bert", "lit/files"],
  [
    "open_clip's strip_sep_token",
    ["bert", "strip_sep_token"],
    "open-clip-hf",
    "bert/files",
    { kwargs: { strip_sep_token: true } },
  ],
];

describe("every family's rows are its reference's on 1,000 difficult captions", () => {
  for (const [name, [family, reference], preset, files, options] of rowsOfReferences) {
    test(name, async () => {
      const { [reference]: expected } = families[family].cases;
      const describe = (contextLength: number) =>
        familyTokenizer(preset, join(folder, files), { ...options, contextLength });
      assert.equal(texts.length, 1000);
      assert.deepEqual(
        (await wrong(describe, expected!)).map((text) => text.slice(0, 100)),
        [],
      );
    });
  }
});

test("added tokens of every kind are found where Hugging Face's tokenizers find them", async () => {
  const file = join(folder, "added/files/tokenizer.json");
  const describe = (contextLength: number) =>
    Promise.resolve({ kind: "tokenizer.json", file, contextLength, padId: 0 } as const);
  assert.deepEqual(await wrong(describe, families.added.cases["tokenizers"]!), []);
});

describe("what cannot be described", () => {
  const refused = (
    family: string,
    files: string,
    options: FamilyTokenizerOptions,
    expected: { code: string; message: RegExp },
  ) =>
    assert.rejects(
      familyTokenizer(family as TokenizerFamily, join(folder, files), options),
      expected,
    );
  test("a family that is not known", () =>
    refused(
      "siglp",
      "siglip/files",
      {},
      { code: "LIMN_SETTING", message: /Did you mean "siglip"\?/ },
    ));
  test("a folder without the family's files", () =>
    refused(
      "lit-bert",
      "siglip/files",
      {},
      { code: "LIMN_DATA", message: /^Expected one of vocab\.txt in / },
    ));
  const kwargs: [Record<string, unknown>, RegExp][] = [
    [
      { clean: "upper" },
      /^Expected one of lower, whitespace, canonicalize for tokenizer_kwargs\.clean/,
    ],
    [
      { reduction_mask: "simple" },
      /^Expected one of clean, .* for tokenizer_kwargs\.reduction_mask/,
    ],
    [{ tokenizer_mode: "clips" }, /^Expected no mode for tokenizer_kwargs\.tokenizer_mode/],
  ];
  for (const [value, message] of kwargs) {
    test(JSON.stringify(value), () =>
      refused("open-clip-hf", "bert/files", { kwargs: value }, { code: "LIMN_SETTING", message }),
    );
  }
  test("rules that a file is not read by", async () => {
    for (const [rules, file] of [
      ["tensorflow-text", "siglip2/files/tokenizer.json"],
      ["siglip2", "siglip/files/spiece.model"],
    ] as const) {
      const description = {
        kind: "tokenizer.json",
        file: join(folder, file),
        rules,
        contextLength: 8,
      } as const;
      await assert.rejects(createTokenizer(description), {
        code: "LIMN_DATA",
        message: /^Expected a file of the kind/,
      });
    }
  });
});

describe("folders", () => {
  /** The folder's files with another tokenizer_config.json. */
  async function withConfig(
    name: string,
    from: string,
    files: readonly string[],
    config?: object,
  ): Promise<string> {
    const target = join(folder, "folders", name);
    await mkdir(target, { recursive: true });
    for (const file of files)
      await writeFile(join(target, file), await readFile(join(folder, from, file)));
    if (config !== undefined)
      await writeFile(join(target, "tokenizer_config.json"), JSON.stringify(config));
    return target;
  }

  test("are read as their class is, in rows as long as the tower says", async () => {
    const classes: [string, string, object][] = [
      ["clip/files", "lower", { kind: "clip-bpe", padId: 1213, contextLength: 77 }],
      [
        "siglip/files",
        "transformers",
        { rules: "siglip", padId: 1, endId: 1, pooling: "last", contextLength: 64 },
      ],
      ["siglip2/files", "transformers", { rules: "siglip2", padId: 0, endId: 1, pooling: "last" }],
      [
        "siglip2/published",
        "transformers",
        { rules: "siglip2", padId: 0, endId: 1, pooling: "last" },
      ],
      ["bert/files", "transformers", { rules: "bert", padId: 0, endId: 4, pooling: "first" }],
    ];
    for (const [name, , expected] of classes) {
      const { description } = await loadTokenizer(join(folder, name));
      for (const [key, value] of Object.entries(expected)) {
        assert.equal(
          (description as unknown as Record<string, unknown>)[key],
          value,
          `${name} ${key}`,
        );
      }
      assert.equal(
        (await loadTokenizer(join(folder, name), { contextLength: 12 })).contextLength,
        12,
      );
    }
  });

  test("whose files may be read in several ways are refused, naming what settles it", async () => {
    const model = await withConfig("model", "siglip/files", ["spiece.model"]);
    const options = { contextLength: 64 };
    await assert.rejects(loadTokenizer(model, options), {
      code: "LIMN_SETTING",
      message:
        /^Expected a tokenizer_class for .*spiece\.model .*tokenizerClass: "SiglipTokenizer"/,
    });
    const { description } = await loadTokenizer(model, {
      ...options,
      tokenizerClass: "SiglipTokenizer",
    });
    assert.equal((description as { rules?: string }).rules, "siglip");
    const both = await withConfig("both", "clip/files", [
      "merges.txt",
      "vocab.json",
      "tokenizer.json",
    ]);
    await assert.rejects(loadTokenizer(both), {
      code: "LIMN_SETTING",
      message: /tokenizerClass: "CLIPTokenizer"/,
    });
    const gemma = { tokenizer_class: "GemmaTokenizerFast", model_max_length: 64 };
    const open = await withConfig("gemma", "siglip2/files", ["tokenizer.json"], gemma);
    await assert.rejects(loadTokenizer(open), {
      code: "LIMN_SETTING",
      message: /^Expected tokenizer\.rules for .* set it to "siglip2" .*lower-cased/,
    });
    const endless = { tokenizer_class: "SiglipTokenizer", model_max_length: 1e30 };
    const long = await withConfig("long", "siglip/files", ["spiece.model"], endless);
    await assert.rejects(loadTokenizer(long), {
      code: "LIMN_SETTING",
      message: /^Expected tokenizer\.contextLength/,
    });
  });

  test("are saved with their files byte for byte, and come back the same", async () => {
    const saved: [string, string, string[]][] = [
      ["clip/files", "CLIPTokenizer", ["vocab.json", "merges.txt", "tokenizer.json"]],
      ["siglip/files", "SiglipTokenizer", ["spiece.model"]],
      ["siglip2/files", "Siglip2Tokenizer", ["tokenizer.json", "tokenizer.model"]],
      // Gemma's class would not lower-case.
      ["siglip2/published", "Siglip2Tokenizer", ["tokenizer.json"]],
      ["bert/files", "BertTokenizer", ["vocab.txt", "tokenizer.json"]],
      ["bert/cased", "BertTokenizer", ["vocab.txt"]],
    ];
    for (const [name, tokenizerClass, files] of saved) {
      const tokenizer = await loadTokenizer(join(folder, name));
      const target = join(folder, "saved", name);
      await saveTokenizer(tokenizer, target);
      for (const file of files) {
        assert.deepEqual(
          await readFile(join(target, file)),
          await readFile(join(folder, name, file)),
          file,
        );
      }
      const config = JSON.parse(
        await readFile(join(target, "tokenizer_config.json"), "utf8"),
      ) as object;
      assert.equal((config as { tokenizer_class: string }).tokenizer_class, tokenizerClass);
      const again = await loadTokenizer(target);
      assert.deepEqual(
        again.encodeBatch(texts.slice(0, 200)),
        tokenizer.encodeBatch(texts.slice(0, 200)),
      );
      assert.equal(again.vocabSize, tokenizer.vocabSize);
    }
  });
});
