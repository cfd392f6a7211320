/** The styles of drawings: properties that draw lines and surfaces, and refer to nothing outside the file. */
import { refuse } from "./xml-tree.ts";

const MOST_STYLE = 64 << 10;
export const MOST_NUMBER = 1e6;

/** Attributes as well as properties. */
export const PROPERTIES: ReadonlySet<string> = new Set(
  (
    "fill fill-opacity fill-rule clip-rule clip-path mask stroke stroke-width stroke-opacity " +
    "stroke-linecap stroke-linejoin stroke-miterlimit stroke-dasharray stroke-dashoffset opacity color " +
    "display visibility stop-color stop-opacity paint-order vector-effect shape-rendering mask-type " +
    "mix-blend-mode isolation color-interpolation overflow"
  ).split(" "),
);

/** What would be missed in the picture; anything else that is not known is left out. */
const MISSED =
  /^(?:filter|backdrop-filter|marker(?:-\w+)?|mask-.*|transform(?:-.*)?|translate|rotate|scale|d|c[xy]|r[xy]?|[xy])$/;
const NOTHING = /^(?:none|normal|auto|inherit|initial|unset|)$/;

/** Whether a property is to be kept. throws  NoPlainDrawing for one that draws what is not plain */
export function isPlainProperty(name: string, value: string): boolean {
  if (!PROPERTIES.has(name)) {
    if (MISSED.test(name) && !NOTHING.test(unforced(value))) refuse(`it has a ${name}`);
    return false;
  }
  if (/[\\@<{}]/.test(value) || /\b(?:var|calc|env|attr|src|image)\s*\(/i.test(value)) {
    refuse(`its ${name} is more than a plain value`);
  }
  const all = value.match(/url\s*\(/gi)?.length ?? 0;
  const own = value.match(/url\(\s*["']?#[\w.:-]+["']?\s*\)/gi)?.length ?? 0;
  if (all !== own) refuse("it refers to something outside it");
  if (name.startsWith("stroke-")) checkNumbers(value);
  // How often it is drawn could not be counted.
  const isRepeated =
    (name === "mask" || name === "clip-path") && /^inherit$/i.test(unforced(value));
  if (isRepeated) refuse(`it inherits a ${name}`);
  return true;
}

/** A value without the mark that lets it win. */
export function unforced(value: string): string {
  const plain = value.trim();
  const mark = "!important";
  return plain.toLowerCase().endsWith(mark) ? plain.slice(0, -mark.length).trimEnd() : plain;
}

const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/gi;

/**
 * The sum of the numbers in a text, without signs.
 *
 * throws  NoPlainDrawing for one that is too large
 */
export function checkNumbers(text: string): number {
  let sum = 0;
  for (const [number] of text.matchAll(NUMBER)) {
    const size = Math.abs(Number(number));
    if (!(size <= MOST_NUMBER)) refuse(`it has a number beyond ${MOST_NUMBER}`);
    sum += size;
  }
  return sum;
}

/** Declarations by their property. throws  NoPlainDrawing */
export function plainDeclarations(text: string): Map<string, string> {
  if (text.length > MOST_STYLE) refuse(`its style has more than ${MOST_STYLE} characters`);
  const kept = new Map<string, string>();
  for (const declaration of withoutComments(text).split(";")) {
    const colon = declaration.indexOf(":");
    if (colon < 0) continue;
    const name = declaration.slice(0, colon).trim().toLowerCase();
    const value = declaration.slice(colon + 1).trim();
    if (isPlainProperty(name, value)) kept.set(name, value);
  }
  return kept;
}

export function writeDeclarations(declarations: ReadonlyMap<string, string>): string {
  return [...declarations].map(([name, value]) => `${name}:${value}`).join(";");
}

interface Rule {
  /** names of elements, classes and ids, without any between which stands a space */
  selectors: string[];
  declarations: Map<string, string>;
}

/** The rules of a style sheet. throws  NoPlainDrawing */
export function plainRules(text: string): Rule[] {
  if (text.length > MOST_STYLE) refuse(`its style has more than ${MOST_STYLE} characters`);
  const rules: Rule[] = [];
  const parts = withoutComments(text).split("}");
  const rest = parts.pop() ?? "";
  if (rest.trim() !== "") refuse("its style sheet ends inside a rule");
  for (const part of parts) {
    const brace = part.indexOf("{");
    const selectors = part
      .slice(0, Math.max(0, brace))
      .split(",")
      .map((one) => one.trim());
    if (!selectors.every((one) => /^[\w*.#-]+$/.test(one))) {
      refuse("its style sheet has more than rules for names, classes and ids");
    }
    rules.push({ selectors, declarations: plainDeclarations(part.slice(brace + 1)) });
  }
  return rules;
}

export function writeRules(rules: readonly Rule[]): string {
  return rules
    .map(({ selectors, declarations }) => `${selectors.join()}{${writeDeclarations(declarations)}}`)
    .join("");
}

function withoutComments(text: string): string {
  let plain = "";
  let at = 0;
  for (let open = text.indexOf("/*"); open >= 0; open = text.indexOf("/*", at)) {
    const close = text.indexOf("*/", open + 2);
    if (close < 0) refuse("its style ends inside a comment");
    plain += `${text.slice(at, open)} `;
    at = close + 2;
  }
  return plain + text.slice(at);
}
