/**
 * Reads an SVG file as a plain drawing and writes it anew: shapes, gradients, clips, masks and styles that
 * refer to nothing outside. What draws nothing is left out, and a file with anything else is refused, so that
 * whatever draws the result meets no entity, script, file, address or filter, and takes bounded memory.
 */
import { drawingCosts } from "./drawing-costs.ts";
import {
  checkNumbers,
  isPlainProperty,
  MOST_NUMBER,
  plainDeclarations,
  plainRules,
  PROPERTIES,
  writeDeclarations,
  writeRules,
} from "./plain-style.ts";
import { type Element, MOST, parseElements, refuse, writeElements } from "./xml-tree.ts";

const DRAWN = new Set(
  (
    "svg g path rect circle ellipse line polyline polygon defs symbol use linearGradient " +
    "radialGradient stop clipPath mask style"
  ).split(" "),
);
/** Said about a drawing, or drawn only where a property that is refused names it. */
const LEFT_OUT = new Set(["title", "desc", "metadata", "filter", "marker"]);

const GEOMETRY = new Set(
  "d points x y x1 y1 x2 y2 cx cy r rx ry fx fy fr width height viewBox transform".split(" "),
);
const OTHERS = new Set(
  (
    "id class style preserveAspectRatio offset gradientUnits gradientTransform spreadMethod " +
    "clipPathUnits maskUnits maskContentUnits"
  ).split(" "),
);

/**
 * The same drawing as a new file whose longer side is `size` pixels.
 *
 * throws  NoPlainDrawing with the reason
 */
export function plainSvg(bytes: Uint8Array, size: number): string {
  if (bytes.length > MOST.characters) {
    refuse(`it has ${bytes.length} bytes, and ${MOST.characters} are read`);
  }
  const root = parseElements(textOf(bytes));
  if (root.name !== "svg") refuse(`its root is <${root.name}>`);
  const box = boxOf(root);
  const ids = new Set<string>();
  checkElement(root, ids);
  drawingCosts(root);
  const scale = size / Math.max(box.width, box.height);
  const side = (length: number): string => String(Math.max(1, Math.round(length * scale)));
  for (const name of ["x", "y", "preserveAspectRatio"]) root.attributes.delete(name);
  root.attributes.set("viewBox", `${box.x} ${box.y} ${box.width} ${box.height}`);
  root.attributes.set("width", side(box.width)).set("height", side(box.height));
  return writeElements(root);
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refuse("it is not UTF-8");
  }
}

/** Pixels of CSS. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["px", 1],
  ["pt", 4 / 3],
  ["pc", 16],
  ["mm", 96 / 25.4],
  ["cm", 96 / 2.54],
  ["in", 96],
]);

function boxOf({ attributes }: Element): { x: number; y: number; width: number; height: number } {
  const length = (name: string): number => {
    const [, number, unit = ""] = /^\s*([\d.]+)([a-z]*)\s*$/.exec(attributes.get(name) ?? "") ?? [];
    return Number(number) * (UNITS.get(unit) ?? NaN);
  };
  const view = (attributes.get("viewBox") ?? "")
    .trim()
    .split(/[\s,]+/)
    .map(Number);
  const given = view.length === 4 ? view : [0, 0, length("width"), length("height")];
  const [x = NaN, y = NaN, width = NaN, height = NaN] = given;
  const good = given.every((one) => Math.abs(one) <= MOST_NUMBER);
  if (!good || !(width > 0 && height > 0) || Math.max(width / height, height / width) > 1000) {
    refuse("it has no usable viewBox, nor a width and a height");
  }
  return { x, y, width, height };
}

/** Refuses what is not plain and takes out what is not drawn, here and in all elements inside. */
function checkElement(element: Element, ids: Set<string>): void {
  checkAttributes(element, ids);
  if (element.name === "style") {
    element.text = writeRules(plainRules(element.text));
    element.children = [];
  }
  element.children = element.children.filter(
    ({ name }) => !name.includes(":") && !LEFT_OUT.has(name),
  );
  for (const child of element.children) {
    if (child.name === "text") refuse("it has text, whose fonts are outside it");
    if (!DRAWN.has(child.name) || child.name === "svg") {
      refuse(`it has an element <${child.name}>, which is not plain drawing`);
    }
    checkElement(child, ids);
  }
}

function checkAttributes({ attributes }: Element, ids: Set<string>): void {
  const linked = attributes.get("href") ?? attributes.get("xlink:href");
  for (const [name, value] of attributes) {
    if (/^on/i.test(name)) refuse(`it has a script, ${name}`);
    if (name === "style") attributes.set(name, writeDeclarations(plainDeclarations(value)));
    else if (GEOMETRY.has(name)) checkNumbers(value);
    else if (PROPERTIES.has(name) ? !isPlainProperty(name, value) : !isKept(name, value))
      attributes.delete(name);
  }
  if (linked !== undefined) {
    if (!/^#[\w.:-]+$/.test(linked.trim())) refuse("it refers to something outside it");
    attributes.set("xlink:href", linked.trim());
  }
  // Of two elements with one name the first is meant.
  const id = attributes.get("id");
  if (id !== undefined && ids.has(id)) attributes.delete("id");
  else if (id !== undefined) ids.add(id);
}

/** Of attributes that are no geometry. throws  NoPlainDrawing for one that draws what is not plain */
function isKept(name: string, value: string): boolean {
  return OTHERS.has(name) || isPlainProperty(name, value);
}
