/**
 * The elements of an SVG file, read without any of XML that reaches outside the file or grows inside it: no
 * entities but the five of XML, no document type with contents, no instructions. And written again.
 */

/** Why a file is not a plain drawing. */
export class NoPlainDrawing extends Error {}

/** throws  NoPlainDrawing */
export function refuse(reason: string): never {
  throw new NoPlainDrawing(reason);
}

export interface Element {
  name: string;
  attributes: Map<string, string>;
  children: Element[];
  /** of a style */
  text: string;
}

/** Bounds of what is read: characters, elements that are open at once, and all elements. */
export const MOST = { characters: 1 << 20, depth: 32, elements: 20_000 } as const;

const ATTRIBUTE = /\s+([A-Za-z_:][\w.:-]*)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/y;
const OPENING = /<([A-Za-z_][\w.:-]*)/y;
const CLOSING = /<\/([A-Za-z_][\w.:-]*)\s*>/y;
const ENDING = /\s*(\/?)>/y;

/**
 * The root with all elements in it; of texts only those of styles.
 *
 * throws  NoPlainDrawing
 */
export function parseElements(source: string): Element {
  const open: Element[] = [];
  let root: Element | undefined;
  let count = 0;
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    if (found !== null) at += found[0].length;
    return found;
  };
  while (at < source.length) {
    const next = source.indexOf("<", at);
    const inside = open.at(-1);
    if (inside?.name === "style") {
      inside.text += withoutEntities(source.slice(at, next < 0 ? undefined : next));
    }
    if (next < 0) break;
    at = next;
    const passed = passedOver(source, at, inside);
    if (passed !== undefined) {
      at = passed;
      continue;
    }
    const closing = take(CLOSING);
    if (closing) {
      if (open.pop()?.name !== closing[1]) refuse("its elements are not closed in order");
      continue;
    }
    const element = emptyElement((take(OPENING) ?? refuse("it is not well-formed XML"))[1] ?? "");
    for (let found = take(ATTRIBUTE); found; found = take(ATTRIBUTE)) {
      element.attributes.set(found[1] ?? "", withoutEntities(found[2] ?? found[3] ?? ""));
    }
    const ending = take(ENDING) ?? refuse("it is not well-formed XML");
    if (++count > MOST.elements) refuse(`it has more than ${MOST.elements} elements`);
    if (inside) inside.children.push(element);
    else if (root) refuse("it has more than one root");
    else root = element;
    if (ending[1] === "") open.push(element);
    if (open.length > MOST.depth) refuse(`its elements are nested more than ${MOST.depth} deep`);
  }
  if (root === undefined || open.length > 0) return refuse("it ends before its elements do");
  return root;
}

function emptyElement(name: string): Element {
  return { name, attributes: new Map(), children: [], text: "" };
}

const PASSED: readonly [begin: string, end: string][] = [
  ["<!--", "-->"],
  ["<![CDATA[", "]]>"],
  ["<?xml ", "?>"],
  ["<!DOCTYPE ", ">"],
];

/** Behind a comment, a declaration or a CDATA section, whose text goes to a style; undefined elsewhere. */
function passedOver(source: string, at: number, inside: Element | undefined): number | undefined {
  const found = PASSED.find(([begin]) => source.startsWith(begin, at));
  if (found === undefined) {
    if (source.startsWith("<!", at)) refuse("it is not well-formed XML");
    if (source.startsWith("<?", at)) refuse("it has a processing instruction");
    return undefined;
  }
  const [begin, end] = found;
  const close = source.indexOf(end, at + begin.length);
  if (close < 0) return refuse("it ends before its elements do");
  const text = source.slice(at + begin.length, close);
  // Where it names a file, that is never read.
  if (begin === "<!DOCTYPE " && /[[\]]/.test(text)) refuse("its document type defines entities");
  if (begin === "<![CDATA[" && inside?.name === "style") inside.text += text;
  return close + end.length;
}

const NAMED: ReadonlyMap<string, string> = new Map([
  ["amp;", "&"],
  ["lt;", "<"],
  ["gt;", ">"],
  ["quot;", '"'],
  ["apos;", "'"],
]);

function withoutEntities(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&([^;&]{0,10};?)/g, (_, name: string) => {
    const [, hex, decimal] = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}));$/i.exec(name) ?? [];
    const code = hex === undefined ? Number(decimal) : parseInt(hex, 16);
    if (code > 8 && code <= 0x10ffff) return String.fromCodePoint(code);
    return NAMED.get(name) ?? refuse("it has an entity that XML does not define");
  });
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  ['"', "&quot;"],
]);

function escaped(text: string): string {
  return text.replace(/[&<"]/g, (one) => ESCAPES.get(one) ?? one);
}

/** A root as a file. */
export function writeElements(root: Element): string {
  const attributes = new Map([
    ["xmlns", "http://www.w3.org/2000/svg"],
    ["xmlns:xlink", "http://www.w3.org/1999/xlink"],
    ...root.attributes,
  ]);
  return written({ ...root, attributes });
}

function written({ name, attributes, children, text }: Element): string {
  const listed = [...attributes].map(([key, value]) => ` ${key}="${escaped(value)}"`);
  const inner = name === "style" ? escaped(text) : children.map(written).join("");
  return `<${name}${listed.join("")}>${inner}</${name}>`;
}
