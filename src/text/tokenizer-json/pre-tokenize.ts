/** The pre-tokenizer of a tokenizer.json: cuts text into words. */
import { byteAlphabet } from "../models/clip-bpe.ts";
import { olderClass, punctuation as newerPunctuation } from "./older-unicode.ts";
import { compilePattern, escapeExpression } from "./pattern.ts";
import { type StepConfig, stepsOf, textOption, unsupported } from "./step-config.ts";

/** A step that cuts a piece of text into words; `first` says that the piece starts the text. */
type PreTokenize = (text: string, first: boolean) => string[];

/** The pre-tokenizer of a tokenizer.json as a function; see normalize.ts for why it is ours. */
export function compilePreTokenizer(config: StepConfig): PreTokenize {
  switch (config.type) {
    case "Sequence": {
      const steps = stepsOf(config, "pretokenizers").map(compilePreTokenizer);
      return (text, first) =>
        steps.reduce<string[]>(
          (words, step) => words.flatMap((word, i) => step(word, first && i === 0)),
          [text],
        );
    }
    case "ByteLevel":
      return byteLevel(config);
    case "Metaspace":
      return metaspace(config);
    case "Split":
      return splitter(compilePattern(config), textOption(config, "behavior", ""), config["invert"]);
    case "Whitespace":
      return splitter(word, "Removed", true);
    case "WhitespaceSplit":
      return splitter(/\p{White_Space}+/gu, "Removed");
    case "BertPreTokenizer": {
      const words = splitter(/\p{White_Space}+/gu, "Removed");
      const marks = splitter(punctuation, "Isolated");
      return (text, first) => words(text, first).flatMap((part) => marks(part, false));
    }
    case "Punctuation":
      return splitter(punctuation, textOption(config, "behavior", "Isolated"));
    case "Digits":
      return splitter(/\p{N}/gu, config["individual_digits"] === true ? "Isolated" : "Contiguous");
    case "CharDelimiterSplit": {
      const delimiter = escapeExpression(textOption(config, "delimiter", ""));
      return splitter(new RegExp(delimiter, "gu"), "Removed");
    }
    default:
      return unsupported("pre-tokenizer", config.type);
  }
}

const punctuation = olderClass("!-/:-@[-`{-~\\p{P}", newerPunctuation);
const wordCharacters = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";
const word = new RegExp(`[${wordCharacters}]+|[^${wordCharacters}\\p{White_Space}]+`, "gu");

interface Part {
  text: string;
  matched: boolean;
}

/** Cuts at matches (with `invert`: at what lies between), and treats these as `behavior` says. */
function splitter(pattern: RegExp, behavior: string, invert: unknown = false): PreTokenize {
  const join = joins.get(behavior.toLowerCase().replaceAll("_", ""));
  if (join === undefined) return unsupported("split behavior", behavior);
  return (text) => {
    const parts: Part[] = [];
    let at = 0;
    const add = (stop: number, matched: boolean): void => {
      if (stop > at)
        parts.push({ text: text.slice(at, stop), matched: matched !== (invert === true) });
      at = stop;
    };
    for (const match of text.matchAll(pattern)) {
      add(match.index, false);
      add(match.index + match[0].length, true);
    }
    add(text.length, false);
    return join(parts);
  };
}

const joins = new Map<string, (parts: Part[]) => string[]>([
  ["removed", (parts) => parts.filter(({ matched }) => !matched).map(({ text }) => text)],
  ["isolated", (parts) => parts.map(({ text }) => text)],
  ["contiguous", (parts) => joinWhere(parts, (before, part) => before.matched === part.matched)],
  [
    "mergedwithprevious",
    (parts) => joinWhere(parts, (before, part) => part.matched && !before.matched),
  ],
  [
    "mergedwithnext",
    (parts) => joinWhere(parts, (before, part) => before.matched && !part.matched),
  ],
]);

function joinWhere(parts: Part[], together: (before: Part, part: Part) => boolean): string[] {
  const words: string[] = [];
  for (const [i, part] of parts.entries()) {
    const before = parts[i - 1];
    if (before !== undefined && together(before, part)) words.push((words.pop() ?? "") + part.text);
    else words.push(part.text);
  }
  return words;
}

// GPT-2's words, with Unicode's white space in place of JavaScript's.
const gpt2Words =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

function byteLevel(config: StepConfig): PreTokenize {
  const words = config["use_regex"] === false ? undefined : splitter(gpt2Words, "Isolated");
  const prefix = config["add_prefix_space"] === true;
  return (text, first) => {
    const spaced = prefix && !text.startsWith(" ") ? ` ${text}` : text;
    return (words?.(spaced, first) ?? [spaced]).map(toByteAlphabet);
  };
}

/** Text as one character of the byte alphabet for each byte of its UTF-8. */
function toByteAlphabet(text: string): string {
  let mapped = "";
  for (const byte of Buffer.from(text, "utf8")) mapped += byteAlphabet[byte] ?? "";
  return mapped;
}

function metaspace(config: StepConfig): PreTokenize {
  const mark = textOption(config, "replacement", "▁");
  const scheme =
    config["prepend_scheme"] ?? (config["add_prefix_space"] === false ? "never" : "always");
  const words =
    config["split"] === false
      ? undefined
      : splitter(new RegExp(escapeExpression(mark), "gu"), "MergedWithNext");
  return (text, first) => {
    let marked = text.replaceAll(" ", mark);
    const wanted = scheme === "always" || (scheme === "first" && first);
    if (wanted && !marked.startsWith(mark)) marked = mark + marked;
    return words?.(marked, first) ?? [marked];
  };
}
