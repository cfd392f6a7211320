/** Refuses what is no study, and chooses seeds and arms. */
import { didYouMean, UsageError } from "../errors.ts";
import type { Arm, Study } from "./define-study.ts";

const functions = ["prepare", "arms", "settings", "tables", "figures", "conclusions"] as const;

/** Whether a file's default export looks like a study. */
export function isStudy(value: unknown): value is Study {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Record<string, unknown>;
  return (
    typeof fields["name"] === "string" &&
    functions.every((key) => typeof fields[key] === "function")
  );
}

/** throws  UsageError for a definition that cannot run */
export function checkStudy(study: unknown): asserts study is Study {
  if (!isStudy(study)) {
    throw new UsageError(
      "Expected a study with a name and the functions " +
        `${functions.join(", ")} but received ${describe(study)}; make it with defineStudy.`,
    );
  }
  if (!/^[a-z0-9][a-z0-9-]*$/.test(study.name)) {
    throw new UsageError(
      `Expected small letters, digits and dashes for the name of a study but received "${study.name}".`,
    );
  }
  if (study.seeds.length < 3) {
    throw new UsageError(
      `Expected at least 3 seeds for the study ${study.name} but received ${study.seeds.length}; ` +
        "fewer say nothing about chance.",
    );
  }
  checkSeeds(study.seeds);
}

/** The study's seeds, those asked for, or the first in a smoke run. */
export function chooseSeeds(
  own: readonly number[],
  { seeds, smoke = false }: { seeds?: readonly number[]; smoke?: boolean },
): readonly number[] {
  if (seeds !== undefined) return checkSeeds(seeds);
  return smoke ? own.slice(0, 1) : own;
}

function checkSeeds(seeds: readonly number[]): readonly number[] {
  const fits = seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0);
  if (fits && seeds.length > 0 && new Set(seeds).size === seeds.length) return seeds;
  throw new UsageError(
    `Expected different whole numbers >= 0 for seeds but received ${seeds.join(", ") || "none"}.`,
  );
}

/**
 * The arms that one of the patterns fits, in the study's order.
 *
 * throws  UsageError for arms whose names clash or cannot be folders, or a pattern that fits none
 */
export function chooseArms(arms: readonly Arm[], patterns?: readonly string[]): readonly Arm[] {
  const seen = new Set<string>();
  for (const { name } of arms) {
    const folder = name.toLowerCase();
    if (!/^\w[\w.+-]*$/.test(name) || seen.has(folder)) {
      throw new UsageError(
        `Expected a name of letters, digits, dots, plus signs and dashes that no other arm has ` +
          `(case apart) but received "${name}"; put what readers see in its label.`,
      );
    }
    seen.add(folder);
  }
  if (patterns === undefined || patterns.length === 0) return arms;
  const tests = patterns.map((pattern) => {
    const test = globTest(pattern);
    if (arms.some(({ name }) => test.test(name))) return test;
    const names = arms.map(({ name }) => name);
    const near = didYouMean(pattern, names) || ` There are: ${names.join(", ")}`;
    throw new UsageError(`Expected an arm for --arms but none fits "${pattern}".${near}`);
  });
  return arms.filter(({ name }) => tests.some((test) => test.test(name)));
}

/** `*` stands for any characters, `?` for one. */
function globTest(pattern: string): RegExp {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`);
}

function describe(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return `an object with ${Object.keys(value).join(", ") || "nothing"}`;
}
