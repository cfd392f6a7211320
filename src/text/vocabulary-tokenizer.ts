/**
 * A tokenizer from a vocabulary file: rows of ids with their ends and padding. Knows nothing about what is inside
 * the file.
 */
import { DataError, SettingError } from "../errors.ts";
import { clean } from "./clean.ts";
import type { PieceEncoder } from "./models/piece-model.ts";
import { openVocabulary } from "./open-vocabulary.ts";
import {
  className,
  contextLengthOf,
  limited,
  readTokenizerConfig,
  rulesOf,
  type TokenizerConfig,
  tokenName,
} from "./tokenizer-config.ts";
import {
  checkDescription,
  rowEncoders,
  type Tokenizer,
  type TokenizerJsonDescription,
} from "./tokenizer-description.ts";

/**
 * A tokenizer from a vocabulary file: rows are cut to `contextLength` with the ids that end them
 * kept in the last places, and padded with `padId`.
 */
export async function createVocabularyTokenizer(
  given: TokenizerJsonDescription,
): Promise<Tokenizer> {
  const { file } = given;
  const config = await readTokenizerConfig(file);
  // A folder of CLIP's tokenizer has settings for its other files there.
  const { file: _, ...own } = config.limn?.["kind"] === "tokenizer.json" ? config.limn : {};
  checkDescription({ ...own, kind: "tokenizer.json", file });
  const saved: TokenizerJsonDescription = { ...own, ...given };
  const rules = saved.rules ?? rulesOf(saved, config);
  const encoder = await openVocabulary(file, rules, config);
  const description = resolve({ ...saved, rules }, given, { encoder, config, own });
  const { contextLength, padId, endId, clean: cleaning, pooling } = description;
  const inFront = Int32Array.from(encoder.inFront);
  const behind = Int32Array.from(idsBehind(description, encoder));
  const separator = saved.stripSeparator === true ? separatorOf(encoder, config, file) : undefined;
  const room = contextLength - inFront.length - behind.length;
  if (room < 0) {
    throw new SettingError(
      "tokenizer.contextLength",
      `Expected tokenizer.contextLength of at least ${inFront.length + behind.length} but ` +
        `received ${contextLength}; ${file} puts so many ids around every text.`,
    );
  }
  const write = (text: string, row: Int32Array): number => {
    const ids = encoder.encode(clean(text, cleaning));
    const kept = Math.min(ids.length, room);
    row.set(inFront);
    for (let i = 0; i < kept; i++) row[inFront.length + i] = ids[i] ?? 0;
    const length = inFront.length + kept;
    const ended = encoder.endsOnce && kept > 0 && row[length - 1] === endId;
    if (!ended) row.set(behind, length);
    const used = ended ? length : length + behind.length;
    if (separator !== undefined) clear(row.subarray(0, used), separator);
    return used;
  };
  return {
    vocabSize: encoder.vocabSize,
    contextLength,
    padId,
    endId: separator === undefined ? endId : undefined,
    pooling,
    ...rowEncoders(contextLength, separator === padId ? 0 : padId, write),
    pieces: {
      encode: (text) => encoder.encode(clean(text, cleaning)),
      room,
      unknownId: encoder.unknownId,
      byteIds: encoder.byteIds,
    },
    description,
  };
}

/** open_clip's `strip_sep_token`: the separator becomes 0 wherever it stands. */
function clear(row: Int32Array, separator: number): void {
  for (const [i, id] of row.entries()) if (id === separator) row[i] = 0;
}

function separatorOf(encoder: PieceEncoder, config: TokenizerConfig, file: string): number {
  const name = tokenName(config.sep_token) ?? "[SEP]";
  const id = encoder.idOf(name);
  if (id !== undefined) return id;
  throw new DataError(
    `Expected the separator ${name} in ${file} but it is missing; leave tokenizer.stripSeparator ` +
      `out.`,
    { source: file },
  );
}

function idsBehind(
  { addEnd, endId }: Pick<TokenizerJsonDescription, "addEnd" | "endId">,
  { behind }: PieceEncoder,
): readonly number[] {
  if (addEnd === false || endId === undefined) return [];
  return behind.at(-1) === endId ? behind : [...behind.slice(0, -1), endId];
}

interface Sources {
  encoder: PieceEncoder;
  config: TokenizerConfig;
  own: Partial<TokenizerJsonDescription>;
}

type Resolved = TokenizerJsonDescription &
  Required<
    Pick<
      TokenizerJsonDescription,
      "contextLength" | "padId" | "clean" | "pooling" | "addEnd" | "rules"
    >
  >;

/** Every option of the description: as given, else as limn saved it, else as the files say. */
function resolve(
  saved: TokenizerJsonDescription & Required<Pick<TokenizerJsonDescription, "rules">>,
  given: TokenizerJsonDescription,
  { encoder, config, own }: Sources,
): Resolved {
  const { addEnd = true, rules } = saved;
  const end = encoder.behind.at(-1);
  const endId = addEnd ? (saved.endId ?? end) : undefined;
  const named = tokenName(config.pad_token) ?? (rules === "bert" ? "[PAD]" : undefined);
  // The configuration counts before a tokenizer.json that was saved to pad and cut in another way.
  const padId =
    saved.padId ??
    (named === undefined ? undefined : encoder.idOf(named)) ??
    encoder.padId ??
    (className(config) === "Siglip2Tokenizer" ? encoder.idOf("<pad>") : undefined) ??
    end;
  const readAtEnd = endId === undefined || rules === "siglip" || rules === "siglip2";
  const pooling = encoder.readInFront ? "first" : readAtEnd ? "last" : "endOfText";
  // What was saved for texts with their end has no place to read at without it.
  const savedPooling = !addEnd && own.pooling === "endOfText" ? undefined : own.pooling;
  const contextLength =
    saved.contextLength ?? contextLengthOf(config) ?? limited(encoder.contextLength);
  if (contextLength === undefined) {
    throw new SettingError(
      "tokenizer.contextLength",
      `Expected tokenizer.contextLength for ${given.file}, whose files give none; set it to the ` +
        `number of ids that the text tower takes.`,
    );
  }
  if (padId === undefined) {
    throw new SettingError(
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
    rules,
    ...(saved.stripSeparator === true && { stripSeparator: true }),
  };
}
