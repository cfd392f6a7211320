/** What drawing takes, counted before it is done: elements by how often they are drawn, depth, dashes. */
import { checkNumbers, plainDeclarations, plainRules, unforced } from "./plain-style.ts";
import { type Element, MOST, refuse } from "./xml-tree.ts";

/** Of one line; each takes memory until all are drawn. */
const MOST_DASHES = 300_000;
/** Clips and masks that style sheets give one class: usually one. */
const MOST_OF_CLASS = 16;

/**
 * Counts elements as often as references draw them, and how deep.
 *
 * throws  NoPlainDrawing where that is too much, for elements that refer to each other in a circle, and for
 *         lines of too many dashes
 */
export function drawingCosts(root: Element): void {
  const byId = new Map<string, Element>();
  const sheet: Sheet = { targets: new Map(), periods: [], fixed: false };
  forEach(root, (element) => {
    const id = element.attributes.get("id");
    if (id !== undefined) byId.set(id, element);
    readSheet(element, sheet);
  });
  countDrawn(root, (element) => referencesOf(element, sheet).flatMap((id) => byId.get(id) ?? []));
  checkDashes(root, sheet);
}

function forEach(element: Element, visit: (element: Element) => void): void {
  visit(element);
  for (const child of element.children) forEach(child, visit);
}

/** What styles say that costs something. */
interface Sheet {
  /** ids of clips and masks by the class that has them */
  targets: Map<string, ReadonlySet<string>>;
  /** the lengths after which dashes repeat */
  periods: number[];
  /** whether widths and dashes are not scaled with the drawing */
  fixed: boolean;
}

function readSheet({ name, attributes, text }: Element, sheet: Sheet): void {
  const note = (declarations: ReadonlyMap<string, string>): void => {
    const period = periodOf(declarations.get("stroke-dasharray"));
    if (period !== undefined) sheet.periods.push(period);
    sheet.fixed ||= (declarations.get("vector-effect") ?? "none").trim() !== "none";
  };
  note(attributes);
  note(plainDeclarations(attributes.get("style") ?? ""));
  if (name !== "style") return;
  for (const { selectors, declarations } of plainRules(text)) {
    note(declarations);
    const ids = targetsOf(declarations);
    if (ids.length === 0) continue;
    for (const selector of selectors) {
      if (!/^\.[\w-]+$/.test(selector)) {
        refuse("its style sheet has a clip or mask for more than a class");
      }
      const known = new Set([...(sheet.targets.get(selector.slice(1)) ?? []), ...ids]);
      if (known.size > MOST_OF_CLASS) refuse("its style sheet has too many clips for one class");
      sheet.targets.set(selector.slice(1), known);
    }
  }
}

function targetsOf(properties: ReadonlyMap<string, string>): string[] {
  const values = ["mask", "clip-path"].map((name) => properties.get(name) ?? "");
  return values.flatMap((value) => [...value.matchAll(/#([\w.:-]+)/g)].map(([, id = ""]) => id));
}

/** The ids of what an element draws, or draws through. */
function referencesOf({ attributes }: Element, { targets }: Sheet): string[] {
  const linked = attributes.get("xlink:href");
  const classes = new Set(targets.size === 0 ? [] : (attributes.get("class") ?? "").split(/\s+/));
  return [
    ...(linked === undefined ? [] : [linked.slice(1)]),
    ...targetsOf(attributes),
    ...targetsOf(plainDeclarations(attributes.get("style") ?? "")),
    ...[...classes].flatMap((name) => [...(targets.get(name) ?? [])]),
  ];
}

interface Count {
  elements: number;
  depth: number;
}

function countDrawn(root: Element, targetsFrom: (element: Element) => Element[]): void {
  const counts = new Map<Element, Count | "open">();
  const count = (element: Element, above: number): Count => {
    const known = counts.get(element);
    if (known === "open") refuse("its elements refer to each other in a circle");
    if (known !== undefined) return known;
    if (above > MOST.depth) refuse(`it draws elements nested more than ${MOST.depth} deep`);
    counts.set(element, "open");
    const total: Count = { elements: 1, depth: 1 };
    for (const inner of [...element.children, ...targetsFrom(element)]) {
      const { elements, depth } = count(inner, above + 1);
      total.elements += elements;
      total.depth = Math.max(total.depth, depth + 1);
      if (total.elements > MOST.elements) refuse(`it draws more than ${MOST.elements} elements`);
    }
    if (total.depth > MOST.depth) refuse(`it draws elements nested more than ${MOST.depth} deep`);
    counts.set(element, total);
    return total;
  };
  count(root, 0);
}

/** The length after which dashes repeat; undefined for a whole line. */
function periodOf(value: string | undefined): number | undefined {
  const plain = unforced(value ?? "");
  if (/^(?:none|inherit|)$/.test(plain)) return undefined;
  const lengths = plain.split(/[\s,]+/).map((one) => Number(one.replace(/px$/, "")));
  if (!lengths.every((one) => one >= 0)) refuse("it has dashes in other units than pixels");
  const period = lengths.reduce((sum, one) => sum + one, 0);
  // As a whole line.
  return period === 0 ? undefined : period;
}

const SHAPES = ["d", "points", "x1", "y1", "x2", "y2", "r", "rx", "ry", "width", "height"];

/**
 * A line is at most about eight times as long as the sum of its numbers: a step from one point to another is
 * not longer than both, it is closed by as much again, and an arc takes pi times its radii.
 */
function checkDashes(root: Element, { periods, fixed }: Sheet): void {
  if (periods.length === 0) return;
  if (fixed) refuse("it has dashes that are not scaled with it");
  const shortest = periods.reduce((least, one) => Math.min(least, one));
  forEach(root, ({ attributes }) => {
    const sides = SHAPES.slice(2).map((name) => attributes.get(name) ?? "");
    if (sides.some((side) => /%|[a-df-z]/i.test(side.replace(/px\s*$/, "")))) {
      refuse("it has dashes around lengths in other units than pixels");
    }
    const sum = SHAPES.reduce((total, name) => total + checkNumbers(attributes.get(name) ?? ""), 0);
    if ((8 * sum) / shortest > MOST_DASHES) refuse("its lines have too many dashes");
  });
}
