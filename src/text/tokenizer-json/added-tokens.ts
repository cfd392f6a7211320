/** Cuts texts at tokens that are looked for before the model sees the text. */
import { PieceTrie } from "../models/piece-trie.ts";
import { checkId } from "./step-config.ts";

/** A token that is looked for in texts as it is, before the model sees them. */
export interface AddedToken {
  id: number;
  content: string;
  /** Looked for in normalized text, by its own normalized name. */
  normalized: boolean;
  /** Only between characters that belong to no word. */
  singleWord: boolean;
  /** Takes the white space in front, or behind, with it. */
  lstrip: boolean;
  rstrip: boolean;
}

/** A stretch of a text: an added token, or text between them. */
export interface Section {
  text: string;
  /** Where it starts in the text that was cut. */
  start: number;
  id?: number;
}

/** An added token as tokenizer.json lists it; what is absent is false. */
export interface AddedTokenSettings {
  id: number;
  content: string;
  normalized?: boolean;
  single_word?: boolean;
  lstrip?: boolean;
  rstrip?: boolean;
  special?: boolean;
}

/** The added tokens of a tokenizer.json, or of what has the same form. Throws TypeError for another. */
export function readAddedTokens(tokens: unknown): AddedToken[] {
  if (tokens === undefined || tokens === null) return [];
  if (!Array.isArray(tokens)) throw new TypeError("added tokens that are no list");
  return (tokens as (Partial<Record<string, unknown>> | null)[]).map((token) => {
    if (typeof token?.["content"] !== "string") throw new TypeError("an added token without name");
    const special = token["special"] === true;
    return {
      id: checkId(token["id"]),
      content: token["content"],
      normalized: typeof token["normalized"] === "boolean" ? token["normalized"] : !special,
      singleWord: token["single_word"] === true,
      lstrip: token["lstrip"] === true,
      rstrip: token["rstrip"] === true,
    };
  });
}

/**
 * Cuts a text as Hugging Face's `tokenizers` does: at tokens of the text as it is, then what lies between,
 * normalized, at those of normalized text. Only the first section starts at 0.
 */
export function cutAtTokens(
  added: readonly AddedToken[],
  normalize: (text: string) => string,
): (text: string) => Section[] {
  const cutRaw = compileAddedTokens(added.filter(({ normalized }) => !normalized));
  const cutNormalized = compileAddedTokens(
    added
      .filter(({ normalized }) => normalized)
      .map((token) => ({ ...token, content: normalize(token.content) })),
  );
  return (text) => {
    const sections: Section[] = [];
    for (const raw of cutRaw(text)) {
      if (raw.id !== undefined) sections.push(raw);
      else {
        for (const part of cutNormalized(normalize(raw.text))) {
          sections.push({ ...part, start: raw.start + part.start });
        }
      }
    }
    return sections;
  };
}

/** Cuts a text at added tokens: of several that start at one place the longest. */
export function compileAddedTokens(tokens: readonly AddedToken[]): (text: string) => Section[] {
  const byName = new Map<string, number>();
  for (const [i, { content }] of tokens.entries()) {
    if (content !== "" && !byName.has(content)) byName.set(content, i);
  }
  if (byName.size === 0) return (text) => (text === "" ? [] : [{ text, start: 0 }]);
  const trie = new PieceTrie(byName, byName.size);
  const find = (text: string, at: number): { end: number; token: AddedToken } | undefined => {
    let found: { end: number; token: AddedToken } | undefined;
    trie.visit(text, at, (end, number) => {
      found = { end, token: tokens[number]! };
    });
    return found;
  };
  return (text) => {
    const sections: Section[] = [];
    let done = 0;
    const add = (start: number, stop: number, id?: number): void => {
      if (stop > start || id !== undefined) {
        sections.push({ text: text.slice(start, stop), start, ...(id !== undefined && { id }) });
      }
    };
    for (let at = 0; at < text.length;) {
      const found = find(text, at);
      if (found === undefined) {
        at++;
        continue;
      }
      const { end, token } = found;
      if (token.singleWord && !standsAlone(text, at, end)) {
        at = end;
        continue;
      }
      const start = token.lstrip ? Math.max(done, spacesBefore(text, at)) : at;
      const stop = token.rstrip ? spacesBehind(text, end) : end;
      add(done, Math.max(done, start));
      add(start, stop, token.id);
      done = stop;
      // White space that was taken may hold further tokens; these are looked for behind it.
      at = Math.max(stop, end);
    }
    add(done, text.length);
    return sections;
  };
}

const wordBefore = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const wordBehind = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;

function standsAlone(text: string, start: number, end: number): boolean {
  const before = text.slice(Math.max(0, start - 2), start);
  return !wordBefore.test(before) && !wordBehind.test(text.slice(end, end + 2));
}

const space = /\p{White_Space}/u;

function spacesBefore(text: string, at: number): number {
  while (at > 0 && space.test(text.charAt(at - 1))) at--;
  return at;
}

function spacesBehind(text: string, at: number): number {
  while (at < text.length && space.test(text.charAt(at))) at++;
  return at;
}
