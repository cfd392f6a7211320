import { readOptionalJson } from "./read-optional-json.ts";
import { dirname, join } from "node:path";
import { DataError, RecipeError } from "../../errors.ts";
import { clean } from "./clean.ts";
import { createLibraryTokenizer, type LibraryTokenizer } from "./hugging-face/library.ts";
import { compileNormalizer } from "./hugging-face/normalize.ts";
import { compilePreTokenizer } from "./hugging-face/pre-tokenize.ts";
import { readTokenizerFile, type TokenizerFile } from "./hugging-face/tokenizer-file.ts";
import { rowEncoders, type Tokenizer, type TokenizerJsonDescription } from "./tokenizer.ts";

/** What is read of a tokenizer_config.json. */
interface TokenizerConfig {
  pad_token?: string | { content: string } | null;
  eos_token?: string | { content: string } | null;
  model_max_length?: number;
  limn?: Omit<Partial<TokenizerJsonDescription>, "kind"> & { kind?: string };
}

/** Transformers writes 1e30 where there is no limit. */
const longestContext = 1_000_000;

/**
 * A tokenizer from a tokenizer.json: rows are cut to `contextLength` with the id that ends them
 * kept in the last place, and padded with `padId`.
 */
export async function createHuggingFaceTokenizer(
  description: TokenizerJsonDescription,
): Promise<Tokenizer> {
  const { file } = description;
  const json = await readTokenizerFile(file);
  const config = await readOptionalJson<TokenizerConfig>(
    join(dirname(file), "tokenizer_config.json"),
  );
  const library = createLibrary(json, file);
  const resolved = resolve(description, { json, config, library });
  const { contextLength, padId, endId, clean: cleaning, pooling } = resolved;
  const trailing = resolved.addEnd ? 0 : addedIds(library).behind.length;
  const write = (text: string, row: Int32Array): number => {
    const { ids } = library.encode(clean(text, cleaning));
    ids.length -= trailing;
    const length = Math.min(ids.length, contextLength);
    for (let i = 0; i < length; i++) row[i] = ids[i] ?? 0;
    if (ids.length > contextLength && endId !== undefined) row[contextLength - 1] = endId;
    return length;
  };
  return {
    vocabSize: Math.max(...library.get_vocab().values()) + 1,
    contextLength,
    padId,
    endId,
    pooling,
    ...rowEncoders(contextLength, padId, write),
    description: resolved,
  };
}

/** The library's tokenizer with its normalizer and pre-tokenizer replaced by exact ones. */
function createLibrary(json: TokenizerFile, file: string): LibraryTokenizer {
  try {
    const normalize = json.normalizer ? compileNormalizer(json.normalizer) : null;
    const preTokenize = json.pre_tokenizer ? compilePreTokenizer(json.pre_tokenizer) : null;
    const added = json.added_tokens ?? [];
    // Added tokens that are looked for in normalized text are known by their normalized name.
    const renamed = added
      .filter(({ normalized }) => normalize !== null && normalized === true)
      .map((token) => ({ ...token, content: normalize?.(token.content) ?? "" }))
      .filter(({ content }) => content !== "");
    const library = createLibraryTokenizer({
      decoder: null,
      post_processor: null,
      ...json,
      added_tokens: [...renamed, ...added],
      normalizer: normalize && { type: "Sequence", normalizers: [] },
      pre_tokenizer: null,
    });
    library.normalizer = normalize;
    library.pre_tokenizer =
      preTokenize && ((text, { section_index: section }) => preTokenize(text, section === 0));
    return library;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DataError(
      `Expected a tokenizer.json for ${file} but it cannot be used (${reason}); save it again ` +
        `with a recent version of Hugging Face's tokenizers.`,
      { source: file },
      { cause },
    );
  }
}

interface Sources {
  json: TokenizerFile;
  config: TokenizerConfig;
  library: LibraryTokenizer;
}

/** Every option of the description: as given, else as limn saved it, else as the files say. */
function resolve(
  given: TokenizerJsonDescription,
  { json, config, library }: Sources,
): TokenizerJsonDescription &
  Required<
    Pick<TokenizerJsonDescription, "contextLength" | "padId" | "clean" | "pooling" | "addEnd">
  > {
  // A folder of CLIP's tokenizer has settings for its other files there.
  const own = config.limn?.kind === "tokenizer.json" ? config.limn : {};
  const saved = { ...own, ...given };
  const idOf = (token: TokenizerConfig["pad_token"]): number | undefined => {
    const name = typeof token === "string" ? token : token?.content;
    return name === undefined ? undefined : library.token_to_id(name);
  };
  const added = addedIds(library);
  const { addEnd = true } = saved;
  const endId = addEnd ? (saved.endId ?? added.behind.at(-1)) : undefined;
  const padId =
    saved.padId ?? json.padding?.pad_id ?? idOf(config.pad_token) ?? added.behind.at(-1);
  // BERT's rows are read at the symbol in front.
  const isBert = json.model?.type === "WordPiece" && added.inFront > 0;
  const pooling = isBert ? "first" : endId === undefined ? "last" : "endOfText";
  // What was saved for texts with their end has no place to read at without it.
  const savedPooling = !addEnd && own.pooling === "endOfText" ? undefined : own.pooling;
  const contextLength =
    saved.contextLength ?? json.truncation?.max_length ?? config.model_max_length;
  if (contextLength === undefined || contextLength > longestContext) {
    throw new RecipeError(
      "tokenizer.contextLength",
      `Expected tokenizer.contextLength for ${given.file}, whose files give none; set it to the ` +
        `number of ids that the text tower takes.`,
    );
  }
  if (padId === undefined) {
    throw new RecipeError(
      "tokenizer.padId",
      `Expected tokenizer.padId for ${given.file}, whose files give none; set it to the id that ` +
        `fills rows, often 0.`,
    );
  }
  return {
    kind: "tokenizer.json",
    file: given.file,
    contextLength,
    clean: saved.clean ?? "none",
    padId,
    addEnd,
    ...(endId !== undefined && { endId }),
    pooling: given.pooling ?? savedPooling ?? pooling,
  };
}

/** What the post-processor puts around the ids of every text. */
function addedIds(library: LibraryTokenizer): { inFront: number; behind: number[] } {
  const bare = library.encode("a", { add_special_tokens: false }).ids;
  const whole = library.encode("a").ids;
  for (let start = 0; start + bare.length <= whole.length; start++) {
    if (bare.some((id, i) => id !== whole[start + i])) continue;
    return { inFront: start, behind: whole.slice(start + bare.length) };
  }
  return { inFront: 0, behind: [] };
}
