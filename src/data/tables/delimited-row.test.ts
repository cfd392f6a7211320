import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cellText, cutDelimited, type RowShape } from "./delimited-row.ts";

const isRow = (cells: string[]): boolean => cells.length >= 2 && cells[0]!.endsWith(".jpg");
const CSV: RowShape = { delimiter: 0x2c, lineEnd: 10, spaced: false, width: 2, isRow };
const TSV: RowShape = { ...CSV, delimiter: 9 };

/** All rows; with `step`, as if the bytes came in pieces of that size. */
function rows(text: string, shape: RowShape = CSV, step = Infinity): string[][] {
  const bytes = Buffer.from(text);
  const found: string[][] = [];
  for (let start = 0; start < bytes.length;) {
    let row: ReturnType<typeof cutDelimited>;
    let seen = bytes;
    for (let size = step; row === undefined; size += step) {
      seen = bytes.subarray(0, Math.min(bytes.length, start + size));
      row = cutDelimited(seen, start, seen.length === bytes.length, shape);
    }
    const cells = row.spans.length / 3;
    found.push(Array.from({ length: cells }, (_, i) => cellText(seen, row, i)));
    assert.ok(row.end > start);
    start = row.end;
  }
  return found;
}

const cases: [string, string, string[][], RowShape?][] = [
  [
    "plain cells",
    "a.jpg,one\nb.jpg,two",
    [
      ["a.jpg", "one"],
      ["b.jpg", "two"],
    ],
  ],
  [
    "carriage returns",
    'a.jpg,one\r\nb.jpg,"two"\r\n',
    [
      ["a.jpg", "one"],
      ["b.jpg", "two"],
    ],
  ],
  [
    "two carriage returns before a line feed",
    'a.jpg,one\r\r\nb.jpg,"two"\r\r\n',
    [
      ["a.jpg", "one"],
      ["b.jpg", "two"],
    ],
  ],
  [
    "empty cells behind it",
    'a.jpg,one,,\nb.jpg,"two\nlines",\nc.jpg,"x\nd.jpg,y",\n',
    [
      ["a.jpg", "one", "", ""],
      ["b.jpg", "two\nlines", ""],
      ["c.jpg", '"x'],
      ["d.jpg", 'y"', ""],
    ],
  ],
  [
    "quotes in a cell that has none around it",
    'a.jpg,5" wide, 2"\n',
    [["a.jpg", '5" wide', ' 2"']],
  ],
  ["quoted delimiters, quotes and line breaks", 'a.jpg,"x, ""y""\nz"\n', [["a.jpg", 'x, "y"\nz']]],
  ["quoted line breaks before the image", '"x\ny",a.jpg\n', [["x\ny", "a.jpg"]]],
  [
    "an opening quote that nothing ends",
    'a.jpg,"wide\nb.jpg,dog\nc.jpg,"a bird" sings\n',
    [
      ["a.jpg", '"wide'],
      ["b.jpg", "dog"],
      ["c.jpg", '"a bird" sings'],
    ],
  ],
  [
    "two stray quotes with rows between them",
    'a.jpg\t"a cat\nb.jpg\tdog\nc.jpg\tplain"\nd.jpg\tbird\n',
    [
      ["a.jpg", '"a cat'],
      ["b.jpg", "dog"],
      ["c.jpg", 'plain"'],
      ["d.jpg", "bird"],
    ],
    TSV,
  ],
  ["an unfinished last quote", 'a.jpg,"x', [["a.jpg", '"x']]],
  ["quotes escaped by a backslash", 'a.jpg,"x, \\"y\\" \\\\ z"\n', [["a.jpg", 'x, "y" \\ z']]],
  [
    "a backslash before the last quote",
    'a.jpg,"C:\\"\nb.jpg,"d"\n',
    [
      ["a.jpg", "C:\\"],
      ["b.jpg", "d"],
    ],
  ],
  [
    "an empty quoted cell",
    'a.jpg,""\n"",b\n',
    [
      ["a.jpg", ""],
      ["", "b"],
    ],
  ],
  [
    "a quoted cell with line breaks in a row that is too long: its own lines only",
    'a.jpg,"x\nb.jpg,y",z\nc.jpg,w\n',
    [
      ["a.jpg", '"x'],
      ["b.jpg", 'y"', "z"],
      ["c.jpg", "w"],
    ],
  ],
  [
    "line ends of old spreadsheets",
    'a.jpg,"x"\rb.jpg,y',
    [
      ["a.jpg", "x"],
      ["b.jpg", "y"],
    ],
    { ...CSV, lineEnd: 13 },
  ],
  ["blanks behind delimiters", 'a.jpg, "x, y"\n', [["a.jpg", "x, y"]], { ...CSV, spaced: true }],
  ["U+2028 and U+0085", "a.jpg,x\u2028y\u0085z\n", [["a.jpg", "x\u2028y\u0085z"]]],
];

describe("a row of a delimited table", () => {
  for (const [name, text, expected, shape] of cases) {
    it(`has ${name}`, () => {
      assert.deepEqual(rows(text, shape), expected);
      for (const step of [1, 3, 7]) assert.deepEqual(rows(text, shape, step), expected, `${step}`);
    });
  }
  it("does not look for the end of a quote in more than a mebibyte", () => {
    const text = `a.jpg,"x\n${"y".repeat(1 << 20)}"\n`;
    assert.deepEqual(rows(text)[0], ["a.jpg", '"x']);
  });
});
