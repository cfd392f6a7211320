import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { isSvg } from "./is-svg.ts";
import { plainSvg } from "./plain-svg.ts";
import { NoPlainDrawing } from "./xml-tree.ts";

const XLINK = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"';
const svg = (inner: string, attributes = 'viewBox="0 0 24 24"', before = ""): Buffer =>
  Buffer.from(`${before}<svg ${XLINK} ${attributes}>${inner}</svg>`);

function refuses(bytes: Uint8Array, reason: RegExp): void {
  assert.throws(
    () => plainSvg(bytes, 64),
    (error) => {
      assert.ok(error instanceof NoPlainDrawing, String(error));
      assert.match(error.message, reason);
      return true;
    },
  );
}

test("entities, defined or not, and document types with contents", () => {
  const laughs = Array.from({ length: 10 }, (_, i) =>
    i === 0 ? '<!ENTITY a0 "ha">' : `<!ENTITY a${i} "${`&a${i - 1};`.repeat(10)}">`,
  );
  refuses(
    svg("<title>&a9;</title>", "", `<!DOCTYPE svg [${laughs.join("")}]>`),
    /document type defines entities/,
  );
  const outside = '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>';
  refuses(svg("<style>&x;</style>", "", outside), /document type defines entities/);
  refuses(svg("<style>&x;</style>"), /an entity that XML does not define/);
  refuses(svg('<path d="&constructor;"/>'), /an entity that XML does not define/);
  refuses(svg("", "", "<!ENTITY x SYSTEM 'http://a/b'>"), /not well-formed/);
  refuses(svg("", "", '<?xml-stylesheet href="http://a/b.css"?>'), /a processing instruction/);
  const named = svg("", undefined, '<!DOCTYPE svg SYSTEM "file:///etc/passwd">');
  assert.doesNotMatch(plainSvg(named, 64), /passwd/);
});

test("whatever is outside: addresses in links, properties, styles and sheets", () => {
  const addresses = [
    "file:///etc/passwd",
    "http://localhost/a.svg#b",
    "//localhost/a",
    "a.svg#b",
    "data:image/png;base64,iVBORw0KGgo=",
    "javascript:alert(1)",
    "",
  ];
  for (const address of addresses) {
    for (const link of ["href", "xlink:href"]) {
      refuses(svg(`<use ${link}="${address}"/>`), /refers to something outside/);
      refuses(svg(`<image ${link}="${address}"/>`), /outside|<image>/);
      refuses(svg(`<linearGradient ${link}="${address}"/>`), /refers to something outside/);
    }
    const values = [`url(${address})`, `url('${address}')`, `URL( "${address}" ) red`];
    for (const value of values.map((one) => one.replaceAll('"', "&quot;"))) {
      const reason = /outside|more than a plain value|a filter|inside a rule|names, classes/;
      refuses(svg(`<rect fill="${value}"/>`), reason);
      refuses(svg(`<rect style="fill:${value}"/>`), reason);
      refuses(svg(`<rect style="mask:${value}"/>`), reason);
      refuses(svg(`<style>.a{stroke:${value}}</style>`), reason);
      refuses(svg(`<style><![CDATA[.a{stroke:${value}}]]></style>`), reason);
      refuses(svg(`<style>.a{fill:red;filter:${value}}</style>`), reason);
    }
  }
  refuses(svg("<style>@import url(http://localhost/a.css);</style>"), /inside a rule/);
  refuses(svg("<style>@import 'a';.a{fill:red}</style>"), /more than rules for names/);
  refuses(svg("<style>@font-face{src:url(a)}</style>"), /more than rules for names/);
  refuses(svg("<style>.a{fill:u\\72l(a)}</style>"), /more than a plain value/);
  refuses(svg('<rect fill="u\\72l(a)"/>'), /more than a plain value/);
  refuses(svg("<style>.a{fill:u/**/rl(//b)}.b{fill:var(--a)}</style>"), /more than a plain value/);
});

test("elements that are no plain drawing", () => {
  const names =
    "script foreignObject image animate set a switch pattern text svg feImage iframe video handler";
  for (const name of names.split(" ")) {
    refuses(svg(`<${name}/>`), name === "text" ? /has text, whose fonts/ : new RegExp(`<${name}>`));
  }
  refuses(svg("<defs><g><script>alert(1)</script></g></defs>"), /<script>/);
  refuses(svg('<rect onclick="alert(1)"/>'), /a script, onclick/);
  const filter =
    '<filter id="f" x="-1e9" y="-1e9" width="1e9" height="1e9"><feTurbulence numOctaves="99"/></filter>';
  assert.doesNotMatch(plainSvg(svg(filter), 64), /filter|feTurb/);
  refuses(svg(`${filter}<rect filter="url(#f)"/>`), /it has a filter/);
  refuses(svg(`${filter}<rect style="filter:url(#f)"/>`), /it has a filter/);
  refuses(svg('<rect style="transform:rotate(9deg)"/>'), /it has a transform/);
  refuses(svg('<marker id="m"/><path style="marker-end:url(#m)"/>'), /it has a marker-end/);
});

test("files that are not SVG in UTF-8, or not whole", () => {
  const utf16 = Buffer.concat([
    Buffer.from([0xff, 0xfe]),
    Buffer.from(svg("").toString(), "utf16le"),
  ]);
  refuses(utf16, /not UTF-8/);
  refuses(gzipSync(svg("")), /not UTF-8/);
  refuses(Buffer.from("<html><svg/></html>"), /its root is <html>/);
  refuses(Buffer.from("<svg><g></svg>"), /not closed in order/);
  refuses(Buffer.from('<svg viewBox="0 0 1 1"><g>'), /ends before/);
  refuses(Buffer.from("<svg/><svg/>"), /more than one root/);
  for (const broken of ["<svg a=b/>", '<svg a="<"/>', "<svg", "<svg><!-- </svg>", "<svg><</svg>"]) {
    refuses(Buffer.from(broken), /not well-formed|ends before/);
  }
});

test("sizes: of the file, the drawing and its numbers", () => {
  refuses(svg(`<path d="M0 0${"L1 1".repeat(2_500_000)}"/>`), /bytes, and 1048576 are read/);
  for (const attributes of [
    "",
    'viewBox="0 0 0 0"',
    'viewBox="0 0 1e9 1e9"',
    'viewBox="0 0 1e308 1e308"',
    'viewBox="0 0 NaN 1"',
    'viewBox="0 0 1 5000"',
    'width="100%" height="100%"',
    'width="99999999" height="99999999"',
  ]) {
    refuses(svg("", attributes), /no usable viewBox/);
  }
  // Announced pixels are not taken.
  const huge = 'width="999999" height="999999" viewBox="0 0 20 10"';
  assert.match(plainSvg(svg("", huge), 64), /width="64" height="32"/);
  refuses(svg('<path d="M0 0L1e7 1"/>'), /a number beyond/);
  refuses(svg('<rect width="1e999"/>'), /a number beyond/);
  refuses(svg('<g transform="scale(1e30)"/>'), /a number beyond/);
});

test("elements by how often they are drawn, and by how deep", () => {
  const doubling = Array.from({ length: 30 }, (_, i) =>
    i === 0 ? '<rect id="u0"/>' : `<g id="u${i}">${`<use href="#u${i - 1}"/>`.repeat(2)}</g>`,
  );
  refuses(svg(`<defs>${doubling.join("")}</defs><use href="#u29"/>`), /more than (20000|32)/);
  const wide = Array.from({ length: 6 }, (_, i) =>
    i === 0 ? '<rect id="u0"/>' : `<g id="u${i}">${`<use href="#u${i - 1}"/>`.repeat(10)}</g>`,
  );
  refuses(svg(wide.join("")), /draws more than 20000 elements/);
  refuses(svg("<g>".repeat(40) + "</g>".repeat(40)), /nested more than 32/);
  refuses(svg("<g>".repeat(100_000)), /nested more than 32/);
  refuses(svg("<g/>".repeat(30_000)), /more than 20000 elements/);
  const chain = Array.from({ length: 5000 }, (_, i) => `<use id="c${i + 1}" href="#c${i}"/>`);
  refuses(svg(chain.reverse().join("")), /nested more than 32/);
  refuses(svg(chain.reverse().join("")), /nested more than 32/);
});

test("circles and multiplied clips and masks", () => {
  const circles = [
    '<g id="a"><use href="#a"/></g>',
    '<use id="a" href="#b"/><use id="b" xlink:href="#a"/>',
    '<mask id="m"><rect mask="url(#m)"/></mask>',
    '<mask id="m"><rect style="mask:url(#m)"/></mask>',
    '<clipPath id="a" clip-path="url(#b)"/><clipPath id="b" clip-path="url(#a)"/>',
    '<linearGradient id="a" href="#b"/><linearGradient id="b" href="#a"/>',
    '<style>.m{mask:url(#m)}</style><mask id="m"><rect class="x m"/></mask>',
  ];
  for (const circle of circles) refuses(svg(circle), /in a circle/);
  refuses(svg("<style>rect{clip-path:url(#m)}</style>"), /a clip or mask for more than a class/);
  refuses(svg('<g mask="url(#m)"><rect mask="Inherit"/></g>'), /inherits a mask/);
  refuses(svg('<rect style="clip-path: inherit !important"/>'), /inherits a clip-path/);
  const heavy = `<mask id="m">${"<rect/>".repeat(1000)}</mask>`;
  refuses(svg(heavy + '<g mask="url(#m)"/>'.repeat(30)), /draws more than 20000/);
  refuses(svg(heavy + '<g style="mask:url(#m)"/>'.repeat(30)), /draws more than 20000/);
  const many = Array.from({ length: 40 }, (_, i) => `.m{mask:url(#m${i})}`).join("");
  refuses(svg(`<style>${many}</style>`), /too many clips for one class/);
  const sheet = "<style>.m{mask:url(#m)}</style>";
  refuses(svg(sheet + heavy + '<g class="m"/>'.repeat(30)), /draws more than 20000/);
});

test("dashes", () => {
  const long = `<path d="M0 0${"L9 9L0 0".repeat(5000)}"`;
  refuses(svg(`${long} stroke-dasharray="0.01"/>`), /too many dashes/);
  refuses(svg(`<g style="stroke-dasharray:1e-9 1e-9">${long}/></g>`), /too many dashes/);
  refuses(svg(`<style>*{stroke-dasharray:.001px}</style>${long}/>`), /too many dashes/);
  refuses(svg('<rect width="100%" stroke-dasharray="1"/>'), /other units than pixels/);
  refuses(svg('<rect stroke-dasharray="1%"/>'), /other units than pixels/);
  refuses(svg('<rect stroke-dasharray="1 -1"/>'), /other units than pixels/);
  const fixed = '<path d="M0 0L9 9" stroke-dasharray="1" vector-effect="non-scaling-stroke"/>';
  refuses(svg(fixed), /dashes that are not scaled/);
  assert.match(plainSvg(svg('<path d="M0 0L9 9" stroke-dasharray="2 1"/>'), 64), /dasharray="2 1"/);
});

test("what a drawing program writes around a drawing is left out, and the drawing stays", () => {
  const text = plainSvg(
    svg(
      '<sodipodi:namedview inkscape:zoom="1"/><metadata><rdf:RDF><cc:Work/></rdf:RDF></metadata>' +
        "<title>a &lt;b&gt;</title><defs><style><![CDATA[.st0{fill:#f00;enable-background:new}\n" +
        "/* } */ .st1, path.st2 {stroke-width:2;font-family:'x'}]]></style></defs>" +
        '<g inkscape:label="one" style="fill:none;-inkscape-stroke:none;marker:none"><path class="st0" ' +
        'd="M1 1h2" data-name="x" fill="url(#g)"/></g><linearGradient id="g" xlink:href="#h"/>',
      'width="210mm" height="297mm" xml:space="preserve" x="0px"',
      '<?xml version="1.0" encoding="utf-8"?>\n<!-- Generator: x -->\n<!DOCTYPE svg PUBLIC "a" "b">\n',
    ),
    297,
  );
  assert.equal(
    text,
    `<svg ${XLINK} width="210" height="297" viewBox="0 0 793.7007874015749 1122.5196850393702">` +
      "<defs><style>.st0{fill:#f00}.st1,path.st2{stroke-width:2}</style></defs>" +
      '<g style="fill:none"><path class="st0" d="M1 1h2" fill="url(#g)"></path></g>' +
      '<linearGradient id="g" xlink:href="#h"></linearGradient></svg>',
  );
});

test("an SVG file is told by its first element", () => {
  for (const start of [
    "",
    "\ufeff \n",
    "<?xml?>",
    "<!-- <html> -->".repeat(100),
    "<!DOCTYPE svg>",
  ]) {
    assert.equal(isSvg(Buffer.from(`${start}<svg/>`)), true, start);
  }
  for (const text of [
    "",
    "<svgz/>",
    "<html><svg/>",
    "<!-- <svg/>",
    "a<svg/>",
    "<!DOCTYPE html><svg/>",
  ]) {
    assert.equal(isSvg(Buffer.from(text)), false, text);
  }
});
