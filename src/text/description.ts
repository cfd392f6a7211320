import { RecipeError, didYouMean } from "../errors.ts";
import { cleanings } from "./clean.ts";
import { textRules } from "./rules.ts";
import type { ClipBpeDescription, Pooling, TokenizerDescription } from "./tokenizer.ts";

/** The names of start and end of text in open_clip, and in Hugging Face's files. */
export const openClipSpecialTokens: [string, string] = ["<start_of_text>", "<end_of_text>"];
export const huggingFaceSpecialTokens: [string, string] = ["<|startoftext|>", "<|endoftext|>"];

/** Every way to pool. */
export const poolings: readonly Pooling[] = ["endOfText", "last", "first"];

const keys = {
  "clip-bpe": ["kind", "merges", "vocab", "contextLength", "clean", "padId", "specialTokens"],
  "tokenizer.json": [
    "kind",
    "file",
    "contextLength",
    "clean",
    "padId",
    "addEnd",
    "endId",
    "pooling",
    "rules",
    "stripSeparator",
  ],
} as const;

/** Checks keys and values of a description that may come from JSON; throws a RecipeError. */
export function checkDescription(description: TokenizerDescription): void {
  const kinds = Object.keys(keys);
  const { kind } = description;
  if (!kinds.includes(kind)) {
    fail("kind", kinds.map((known) => `"${known}"`).join(" or "), kind, kinds);
  }
  const known: readonly string[] = keys[kind];
  for (const key of Object.keys(description)) {
    if (known.includes(key)) continue;
    throw new RecipeError(
      `tokenizer.${key}`,
      `Expected ${known.join(", ")} for a tokenizer of kind "${kind}" but received ` +
        `"${key}";${didYouMean(key, known) || " remove it."}`,
    );
  }
  const source = kind === "clip-bpe" ? "merges" : "file";
  const path = kind === "clip-bpe" ? description.merges : description.file;
  if (typeof path !== "string" || path === "") fail(source, "a path", path);
  checkShared(description);
  if (kind === "clip-bpe") checkClipBpe(description);
  else checkTokenizerJson(description);
}

function checkShared({ kind, contextLength, padId, clean }: TokenizerDescription): void {
  const least = kind === "clip-bpe" ? 3 : 2;
  if (contextLength !== undefined && !(isId(contextLength) && contextLength >= least)) {
    fail("contextLength", `an integer of at least ${least}`, contextLength);
  }
  if (padId !== undefined && !isId(padId)) fail("padId", "a token id", padId);
  if (clean !== undefined && !cleanings.includes(clean)) {
    fail("clean", `one of ${cleanings.join(", ")}`, clean, cleanings);
  }
}

function checkClipBpe({ vocab, specialTokens }: ClipBpeDescription): void {
  if (vocab !== undefined && typeof vocab !== "string") fail("vocab", "a path", vocab);
  const [start, end, ...more] = specialTokens ?? openClipSpecialTokens;
  const named = [start, end].every((name) => typeof name === "string" && /^\S+$/.test(name));
  if (!named || start === end || more.length > 0) {
    fail("specialTokens", "two different names without spaces", specialTokens);
  }
}

function checkTokenizerJson({
  addEnd,
  endId,
  pooling,
  rules,
  stripSeparator,
}: Extract<TokenizerDescription, { kind: "tokenizer.json" }>): void {
  if (addEnd !== undefined && typeof addEnd !== "boolean") {
    fail("addEnd", "true or false", addEnd);
  }
  if (addEnd === false && (endId !== undefined || pooling === "endOfText")) {
    const key = endId === undefined ? "pooling" : "endId";
    fail(key, "no end of text with addEnd false", endId ?? pooling);
  }
  if (endId !== undefined && !isId(endId)) fail("endId", "a token id", endId);
  if (pooling !== undefined && !poolings.includes(pooling)) {
    fail("pooling", `one of ${poolings.join(", ")}`, pooling, poolings);
  }
  if (rules !== undefined && !textRules.includes(rules)) {
    fail("rules", `one of ${textRules.join(", ")}`, rules, textRules);
  }
  if (stripSeparator !== undefined && typeof stripSeparator !== "boolean") {
    fail("stripSeparator", "true or false", stripSeparator);
  }
}

function isId(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function fail(key: string, expected: string, value: unknown, near: readonly string[] = []): never {
  const hint = typeof value === "string" ? didYouMean(value, near) : "";
  throw new RecipeError(
    `tokenizer.${key}`,
    `Expected ${expected} for tokenizer.${key} but received ${JSON.stringify(value)};` +
      (hint || " correct the description."),
  );
}
