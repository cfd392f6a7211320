/**
 * The regular expressions of a tokenizer.json, compiled, without those that may take time without
 * bound: a file may come from anywhere.
 */
import { runInNewContext } from "node:vm";
import { threadMilliseconds } from "./thread-time.ts";
import { fromOniguruma } from "./oniguruma.ts";
import type { StepConfig } from "./step-config.ts";

const longestPattern = 4096;

/**
 * The expression of a step's `pattern`, global.
 *
 * throws   SyntaxError for none, for one that does not translate, and for one that can take time
 *          without bound (a file may come from anywhere)
 */
export function compilePattern(config: StepConfig): RegExp {
  const given = config["pattern"] as { Regex?: unknown; String?: unknown } | null | undefined;
  const source = given?.Regex ?? given?.String;
  if (typeof source !== "string") {
    throw new SyntaxError(`no pattern in a step of type ${config.type}`);
  }
  if (given?.Regex === undefined) return new RegExp(escapeExpression(source), "gu");
  if (source.length > longestPattern) {
    throw new SyntaxError(`a pattern of ${source.length} characters, more than ${longestPattern}`);
  }
  refuseRepeatedGroups(source);
  const expression = new RegExp(fromOniguruma(source), "gv");
  refuseSlow(expression, source);
  return expression;
}

/** Text as an expression that matches just it. */
export function escapeExpression(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/**
 * Refuses `(...)*` and its like: with choices inside a repeated group the search may double with
 * every character. No published tokenizer has one.
 */
function refuseRepeatedGroups(source: string): void {
  const plain = source.replace(/\\./gsu, "x").replace(/\[(?:\^?\])?[^\]]*\]/gu, "x");
  if (/\)(?:[*+]|\{\d*,\})/u.test(plain) || /\{\d{4,}|,\d{4,}\}/u.test(plain)) {
    throw slow(source);
  }
}

const probeLength = 2000;
/** Of processor time; no published pattern takes a fiftieth of it. */
const mostMilliseconds = 500;
/** A thread that gets this share of a processor is told apart from a slow pattern. */
const patience = 64;

/** Refuses an expression that takes long for long runs of one character. */
function refuseSlow(expression: RegExp, source: string): void {
  if ((source.match(/[*+]|\{\d*,/gu)?.length ?? 0) < 2) return;
  const literal = source.replace(/\\[a-zA-Z](?:\{[^}]*\})?/gu, "").slice(0, 64);
  const characters = new Set(Array.from(` \n\taA1é漢!'_\u0301${literal}`));
  const probes = Array.from(characters, (character) => character.repeat(probeLength) + "\0");
  const script =
    "for (const probe of probes) for (const match of probe.matchAll(expression)) match;";
  const ends = endsInTime((timeout) => {
    runInNewContext(script, { probes, expression }, { timeout });
  });
  if (!ends) throw slow(source);
}

/**
 * Whether `run` takes less than half a second of processor time. Only wall-clock time can stop it: where
 * that ran out on a busy machine, before the processor time did, it gets more and starts again.
 *
 * run     throws where it takes longer than `timeout`, in ms of wall-clock time
 * clock   processor time of this thread, ms
 */
export function endsInTime(run: (timeout: number) => void, clock = threadMilliseconds): boolean {
  for (let timeout = mostMilliseconds; ; timeout *= 2) {
    const start = clock();
    try {
      run(timeout);
      return clock() - start <= mostMilliseconds;
    } catch {
      const used = clock() - start;
      if (used >= 0.9 * mostMilliseconds || timeout >= patience * mostMilliseconds) return false;
    }
  }
}

function slow(source: string): SyntaxError {
  return new SyntaxError(
    `the pattern ${JSON.stringify(source.slice(0, 80))} may take time without bound`,
  );
}
