/**
 * Reads an SVG file as a plain drawing and writes it anew: shapes, gradients, clips, masks and styles that
 * refer to nothing outside. Everything else is refused or left out, so that whatever draws the result meets
 * no entity, script, file, address or filter, and no more work than is counted here.
 */

/** Why a file is not a plain drawing. */
export class NoPlainDrawing extends Error {}

const MOST_BYTES = 1 << 20;
const MOST_DEPTH = 64;
/** Elements, each as often as it is drawn. */
const MOST_ELEMENTS = 20_000;
const MOST_STYLE = 32 << 10;
const MOST_NUMBER = 1e6;
/** The longer side of a drawing in the shortest stretches of a dashed line. */
const MOST_DASHES = 500;

const DRAWN = new Set(
  (
    "svg g path rect circle ellipse line polyline polygon defs symbol use linearGradient " +
    "radialGradient stop clipPath mask style"
  ).split(" "),
);
/** Said about a drawing, not drawn. */
const LEFT_OUT = new Set(["title", "desc", "metadata"]);

const KEPT = new Set(
  (
    "id class style d points x y x1 y1 x2 y2 cx cy r rx ry fx fy width height viewBox transform " +
    "preserveAspectRatio offset gradientUnits gradientTransform spreadMethod clipPathUnits maskUnits " +
    "maskContentUnits href fill fill-opacity fill-rule clip-rule clip-path mask stroke stroke-width " +
    "stroke-opacity stroke-linecap stroke-linejoin stroke-miterlimit stroke-dasharray stroke-dashoffset " +
    "opacity color display visibility stop-color stop-opacity paint-order vector-effect"
  ).split(" "),
);

interface Element {
  name: string;
  attributes: Map<string, string>;
  children: Element[];
  /** of a style */
  text: string;
}

/**
 * The same drawing as a new file whose longer side is `size` pixels.
 *
 * throws  NoPlainDrawing with the reason
 */
export function plainSvg(
  bytes: Uint8Array,
  size: number,
): { text: string; width: number; height: number } {
  if (bytes.length > MOST_BYTES) refuse(`it has ${bytes.length} bytes, and ${MOST_BYTES} are read`);
  let source: string;
  try {
    source = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refuse("it is not UTF-8");
  }
  const root = parse(source);
  const box = boxOf(root);
  checkDrawing(root, Math.max(box.width, box.height));
  const scale = size / Math.max(box.width, box.height);
  const side = (length: number): number => Math.max(1, Math.round(length * scale));
  const [width, height] = [side(box.width), side(box.height)];
  root.attributes.set("width", String(width)).set("height", String(height));
  root.attributes.set("viewBox", `${box.x} ${box.y} ${box.width} ${box.height}`);
  for (const name of ["x", "y", "preserveAspectRatio"]) root.attributes.delete(name);
  return { text: written(root, true), width, height };
}

function refuse(reason: string): never {
  throw new NoPlainDrawing(reason);
}

const ATTRIBUTE = /\s+([A-Za-z_:][\w.:-]*)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/y;
const OPENING = /<([A-Za-z_][\w.:-]*)/y;
const CLOSING = /<\/([A-Za-z_][\w.:-]*)\s*>/y;
const ENDING = /\s*(\/?)>/y;

/** A tree of the elements that are drawn; what is left out is parsed as well. */
function parse(source: string): Element {
  const open: Element[] = [];
  let root: Element | undefined;
  let count = 0;
  const match = (pattern: RegExp, at: number): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(source);
  };
  for (let at = 0; at < source.length;) {
    const next = source.indexOf("<", at);
    const text = source.slice(at, next < 0 ? undefined : next);
    const inside = open.at(-1);
    if (inside?.name === "style") inside.text += withoutEntities(text);
    if (next < 0) break;
    at = next;
    const passed = passedOver(source, at, inside);
    if (passed !== undefined) {
      at = passed;
      continue;
    }
    const closing = match(CLOSING, at);
    if (closing) {
      if (open.pop()?.name !== closing[1]) refuse("its elements are not closed in order");
      at += closing[0].length;
      continue;
    }
    const opening = match(OPENING, at) ?? refuse("it is not well-formed XML");
    at += opening[0].length;
    const element: Element = {
      name: opening[1] ?? "",
      attributes: new Map(),
      children: [],
      text: "",
    };
    for (let found = match(ATTRIBUTE, at); found; found = match(ATTRIBUTE, at)) {
      element.attributes.set(found[1] ?? "", withoutEntities(found[2] ?? found[3] ?? ""));
      at += found[0].length;
    }
    const ending = match(ENDING, at) ?? refuse("it is not well-formed XML");
    at += ending[0].length;
    if (++count > MOST_ELEMENTS) refuse(`it has more than ${MOST_ELEMENTS} elements`);
    if (inside) inside.children.push(element);
    else if (root) refuse("it has more than one root");
    else root = element;
    if (ending[1] === "") open.push(element);
    if (open.length > MOST_DEPTH) refuse(`its elements are nested more than ${MOST_DEPTH} deep`);
  }
  if (root === undefined || open.length > 0) return refuse("it ends before its elements do");
  if (root.name !== "svg") refuse(`its root is <${root.name}>`);
  return root;
}

/** Behind a comment, an instruction or a CDATA section, whose text goes to a style; undefined elsewhere. */
function passedOver(source: string, at: number, inside: Element | undefined): number | undefined {
  const kinds: [string, string][] = [
    ["<!--", "-->"],
    ["<![CDATA[", "]]>"],
    ["<?xml ", "?>"],
  ];
  for (const [begin, end] of kinds) {
    if (!source.startsWith(begin, at)) continue;
    const close = source.indexOf(end, at + begin.length);
    if (close < 0) return refuse("it ends before its elements do");
    if (begin === "<![CDATA[" && inside?.name === "style") {
      inside.text += source.slice(at + begin.length, close);
    }
    return close + end.length;
  }
  if (source.startsWith("<!", at)) refuse("it has a document type, which may define entities");
  if (source.startsWith("<?", at)) refuse("it has a processing instruction");
  return undefined;
}

const NAMED: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};

function withoutEntities(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&([^;&]{0,10};?)/g, (_, name: string) => {
    const number = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}));$/i.exec(name);
    const code = number && (number[1] !== undefined ? parseInt(number[1], 16) : Number(number[2]));
    if (code !== null && code > 8 && code <= 0x10ffff) return String.fromCodePoint(code);
    return NAMED[name.slice(0, -1)] ?? refuse("it has an entity that XML does not define");
  });
}

const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/gi;

function boxOf({ attributes }: Element): { x: number; y: number; width: number; height: number } {
  const given = attributes
    .get("viewBox")
    ?.trim()
    .split(/[\s,]+/)
    .map(Number);
  const length = (name: string): number => {
    const [, number = ""] = /^\s*([\d.]+)(?:px)?\s*$/.exec(attributes.get(name) ?? "") ?? [];
    return number === "" ? NaN : Number(number);
  };
  const [x = NaN, y = NaN, width = NaN, height = NaN] = given ?? [
    0,
    0,
    length("width"),
    length("height"),
  ];
  const good = [x, y, width, height].every((one) => Math.abs(one) <= MOST_NUMBER);
  if (!good || !(width > 0 && height > 0) || Math.max(width / height, height / width) > 1000) {
    refuse("it has no usable viewBox, nor a width and height in pixels");
  }
  return { x, y, width, height };
}

/** Refuses what is not plain, leaves out what is not drawn, and counts what is drawn. */
function checkDrawing(root: Element, side: number): void {
  const byId = new Map<string, Element>();
  const visit = (element: Element): void => {
    const kept = element.children.filter(({ name }) => !name.includes(":") && !LEFT_OUT.has(name));
    element.children = kept;
    checkAttributes(element, side);
    const id = element.attributes.get("id");
    if (id !== undefined && !byId.has(id)) byId.set(id, element);
    if (element.name === "style") checkStyle(element.text, side);
    for (const child of kept) {
      if (!DRAWN.has(child.name) || child.name === "svg") {
        refuse(`it has an element <${child.name}>, which is not plain drawing`);
      }
      visit(child);
    }
  };
  visit(root);
  countDrawn(root, byId);
}

function checkAttributes(element: Element, side: number): void {
  const { attributes } = element;
  const linked = attributes.get("href") ?? attributes.get("xlink:href");
  if (linked !== undefined) attributes.set("href", linked.trim());
  for (const [name, value] of attributes) {
    if (/^on/i.test(name)) refuse(`it has a script, ${name}`);
    if (!KEPT.has(name)) {
      attributes.delete(name);
      continue;
    }
    if (name === "href" && !/^#[\w.:-]+$/.test(value)) refuse("it refers to something outside it");
    if (name === "style") checkStyle(value, side);
    else checkReferences(value);
    if (name === "stroke-dasharray") checkDashes(value, side);
    if (name === "id" || name === "class" || name === "href" || name === "style") continue;
    if (/^(?:d|points|transform|[xyrcf][xy12]?|r[xy]|width|height|viewBox|stroke-.*)$/.test(name)) {
      for (const [number] of value.matchAll(NUMBER)) {
        if (!(Math.abs(Number(number)) <= MOST_NUMBER))
          refuse(`it has a number beyond ${MOST_NUMBER}`);
      }
    }
  }
}

/** Addresses only of what is in the file. */
function checkReferences(text: string): void {
  const all = text.match(/url\s*\(/gi)?.length ?? 0;
  const own = text.match(/url\(\s*["']?#[\w.:-]+["']?\s*\)/gi)?.length ?? 0;
  if (all !== own) refuse("it refers to something outside it");
}

function checkStyle(text: string, side: number): void {
  if (text.length > MOST_STYLE) refuse(`its style has more than ${MOST_STYLE} characters`);
  const plain = text.replace(/\/\*[^]*?\*\//g, " ");
  if (/[@\\<]/.test(plain)) refuse("its style has more than plain rules");
  if (/filter|pattern|marker|image|expression|animation|var\s*\(/i.test(plain)) {
    refuse("its style has more than colours and lines");
  }
  checkReferences(plain);
  // Of a rule it is not known how often it applies.
  if (/(?:mask|clip-path)\s*:/i.test(plain) && plain.includes("{"))
    refuse("its style sheet has masks");
  for (const [, value = ""] of plain.matchAll(/stroke-dasharray\s*:([^;}]*)/gi))
    checkDashes(value, side);
  for (const [number] of plain.matchAll(/(?<![\w#])[-+]?\d[\d.]*(?:e[-+]?\d+)?/gi)) {
    if (!(Math.abs(Number(number)) <= MOST_NUMBER)) refuse(`it has a number beyond ${MOST_NUMBER}`);
  }
}

/** Dashes are drawn one by one. */
function checkDashes(value: string, side: number): void {
  if (/^\s*(?:none|inherit)?\s*(?:!important)?\s*$/.test(value)) return;
  const lengths = value
    .trim()
    .split(/[\s,]+/)
    .map((one) => Number(one.replace(/px$/, "")));
  const sum = lengths.reduce((total, one) => total + one, 0);
  const good = lengths.every((one) => one >= 0) && sum >= side / MOST_DASHES;
  if (!good) refuse("its lines have too many dashes");
}

const REFERENCE = /(?:^|;)\s*(?:mask|clip-path)\s*:\s*url\(\s*["']?#([\w.:-]+)/gi;

/** The elements that another one draws or draws through. */
function referencesOf({ name, attributes }: Element): string[] {
  const found = [...(attributes.get("style") ?? "").matchAll(REFERENCE)].map(([, id = ""]) => id);
  for (const key of ["mask", "clip-path"]) {
    const [, id] = /#([\w.:-]+)/.exec(attributes.get(key) ?? "") ?? [];
    if (id !== undefined) found.push(id);
  }
  const linked = attributes.get("href");
  if (linked !== undefined && name !== "style") found.push(linked.slice(1));
  return found;
}

/** Counts each element as often as references draw it; refuses circles. */
function countDrawn(root: Element, byId: ReadonlyMap<string, Element>): void {
  const counts = new Map<Element, number>();
  const count = (element: Element): number => {
    const known = counts.get(element);
    if (known === 0) refuse("its elements refer to each other in a circle");
    if (known !== undefined) return known;
    counts.set(element, 0);
    let total = 1;
    for (const child of element.children) total += count(child);
    for (const id of referencesOf(element)) {
      const target = byId.get(id);
      if (target !== undefined) total += count(target);
    }
    if (total > MOST_ELEMENTS) refuse(`it draws more than ${MOST_ELEMENTS} elements`);
    counts.set(element, total);
    return total;
  };
  count(root);
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", '"': "&quot;" };
const escaped = (text: string): string => text.replace(/[&<"]/g, (one) => ESCAPES[one] ?? one);

function written({ name, attributes, children, text }: Element, isRoot = false): string {
  const listed = [...attributes].map(([key, value]) =>
    key === "href"
      ? ` href="${escaped(value)}" xlink:href="${escaped(value)}"`
      : ` ${key}="${escaped(value)}"`,
  );
  const spaces = isRoot
    ? ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    : "";
  const inner = name === "style" ? escaped(text) : children.map((child) => written(child)).join("");
  return `<${name}${spaces}${listed.join("")}>${inner}</${name}>`;
}
