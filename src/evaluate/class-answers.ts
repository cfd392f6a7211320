/** Which class a sample's answer means: a name, or the class's number as webdataset's `.cls` has it. */
import { types } from "node:util";
import type { NamedClass } from "./read-classes.ts";

/** Finds classes by what samples say. */
export class ClassAnswers {
  readonly #byName = new Map<string, number>();
  /** Names of several classes. */
  readonly #shared = new Set<string>();
  readonly #count: number;
  /** False where the names are numbers themselves, other than the places: another number is then a mistake. */
  readonly #numbered: boolean;

  constructor(classes: readonly Pick<NamedClass, "key" | "names">[]) {
    this.#count = classes.length;
    classes.forEach(({ names }, i) => {
      for (const name of new Set(names.map((one) => one.trim()))) {
        if (this.#byName.has(name)) this.#shared.add(name);
        else this.#byName.set(name, i);
      }
    });
    // A key is one class's alone, and more than a further name of another. Spaces around it say less
    // than their absence.
    const own = classes.map(({ key }, i) => [key, i] as const);
    for (const [key, i] of [...own].sort(([a], [b]) => spaces(b) - spaces(a))) {
      this.#shared.delete(key.trim());
      this.#byName.set(key.trim(), i);
    }
    const areCounted = classes.every(({ key }, i) => key === String(i));
    this.#numbered = areCounted || !classes.some(({ key }) => isNumber(key));
  }

  /**
   * The class of an answer; undefined where there is none. A name wins over a number: of the classes
   * "0" to "9" an answer 3 is "3", wherever that stands.
   */
  find(answer: unknown): number | undefined {
    const text = answerText(answer);
    if (text === undefined || this.#shared.has(text)) return undefined;
    const whole = withoutPoint(text);
    const found = this.#byName.get(text) ?? this.#byName.get(whole);
    if (found !== undefined) return found;
    const number = this.#numbered && isNumber(whole) ? Number(whole) : NaN;
    return number < this.#count ? number : undefined;
  }

  /** Whether several classes have this name, so that it stands for none of them. */
  isShared(answer: unknown): boolean {
    return this.#shared.has(answerText(answer) ?? "");
  }

  /** What is wrong with an answer that no class has, as a part of a sentence. */
  problem(answer: unknown): string {
    const text = answerText(answer) ?? "";
    if (this.isShared(answer)) return "several classes have this name; label samples by number";
    if (!isNumber(withoutPoint(text))) return "no class has this name";
    return this.#numbered
      ? `no class has this name, and as a number, counted from 0, it is not below ${this.#count}`
      : "no class has this name, and classes that are named by numbers are not counted";
  }
}

function spaces(text: string): number {
  return text.length - text.trim().length;
}

/** pandas writes a column of integers with a gap as 3.0. */
function withoutPoint(text: string): string {
  return /^\d+\.0+$/.test(text) ? text.replace(/\.0+$/, "") : text;
}

function isNumber(text: string): boolean {
  return /^(0|[1-9]\d{0,8})$/.test(text);
}

/** An answer as names are written; undefined for what is neither a name nor a number. */
export function answerText(answer: unknown): string | undefined {
  if (typeof answer === "string") return answer.trim();
  const plain = ["number", "bigint", "boolean"].includes(typeof answer);
  return plain || types.isNumberObject(answer) ? String(answer) : undefined;
}
