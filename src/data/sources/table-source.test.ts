import assert from "node:assert/strict";
import { sep } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { linesOf, workspace } from "./samples.test.helper.ts";
import type { TableSpec } from "./source-spec.ts";

const { write } = workspace("table");
for (const name of ["x.jpg", "y.jpg", "z.jpg"]) write(name, name);

/** What `linesOf` says of a table. */
const read = (
  name: string,
  contents: string | Uint8Array,
  spec: Partial<TableSpec> = {},
): Promise<string[]> => linesOf({ kind: "table", file: write(name, contents), ...spec });

describe("a table's delimiter", () => {
  const tables: [string, string][] = [
    ["comma.csv", "image,caption\nx.jpg,a\ny.jpg,b;c\n"],
    ["semicolon.csv", "image;caption\nx.jpg;a\ny.jpg;b;c\n"],
    ["tab.csv", "filepath\ttitle\nx.jpg\ta\ny.jpg\tb;c\n"],
    ["pipe.txt", "image_name| comment_number| comment\nx.jpg| 0| a\ny.jpg| 0| b;c\n"],
    ["comma.txt", "image,caption\r\n\r\nx.jpg,a\r\ny.jpg,b;c\r\n"],
    ["quoted.csv", '"SEP=;"\r\n"image";"caption"\r\n"x.jpg";"a"\r\n"y.jpg";"b;c"\r\n'],
    ["mac.csv", 'image,caption\rx.jpg,"a\n"\ry.jpg,b;c\r'],
    ["windows.csv", "image,caption\r\r\nx.jpg,a\r\r\ny.jpg,b;c\r\r\n"],
    ["trailing.csv", "image,caption\nx.jpg,a,\ny.jpg,b;c,,\n"],
    ["excel.csv", "sep=,\r\nimage,caption\r\nx.jpg,a\r\ny.jpg,b;c\r\n"],
    ["comma.tsv", "image,caption\nx.jpg,a\ny.jpg,b;c\n"],
  ];
  for (const [name, text] of tables) {
    it(`is found in the header: ${name}`, async () => {
      const lines = await read(name, text);
      if (name !== "semicolon.csv") assert.deepEqual(lines, ["x.jpg: a", "y.jpg: b;c"]);
      else {
        assert.equal(lines[0], "x.jpg: a");
        assert.match(
          lines[1]!,
          /^!line 3: 3 cells where the header has 2; a cell with a semicolon/,
        );
      }
    });
  }
  it("may be given", async () => {
    const text = "image,caption;x\nx.jpg,a;b\n";
    await assert.rejects(read("given.csv", text, { delimiter: "semicolon" }), /column "image"/);
    const spec = { delimiter: "comma", caption: "caption;x" } as const;
    assert.deepEqual(await read("given.dat", text, spec), ["x.jpg: a;b"]);
    await assert.rejects(read("unknown.dat", text), /set source\.format or source\.delimiter/);
  });
});

describe("rows that name the same picture", () => {
  const text = "image,caption\nx.jpg,a\ny.jpg,b\nx.jpg,c\n";
  it("are one sample in the place of the first, or stay apart where that is asked for", async () => {
    assert.deepEqual(await read("same.csv", text), ["x.jpg: a | c", "y.jpg: b"]);
    const rowsApart = await read("same.csv", text, { rowsApart: true });
    assert.deepEqual(rowsApart, ["x.jpg: a", "y.jpg: b", "x.jpg: c"]);
    await assert.rejects(read("same.csv", text, { rowsApart: "yes" as never }), /true or false/);
  });
});

describe("a table's columns", () => {
  it("have the names that others give them", async () => {
    for (const [image, caption] of [
      ["file_name", "text"],
      ["filepath", "title"],
      ["Image", "TEXT"],
      ["Image Path", "Caption"],
      ["imagePath", "caption"],
      ["image_path", "captions"],
    ] as const) {
      const expected = ["x.jpg: a", "y.jpg: b"];
      const csv = `${image},other,${caption}\nx.jpg,1,a\ny.jpg,2,b\n`;
      assert.deepEqual(await read("metadata.csv", csv), expected);
      const row = (path: string, text: string): string =>
        `${JSON.stringify({ [image]: path, other: 1, [caption]: [text] })}\n`;
      const jsonl = row("x.jpg", "a") + row("y.jpg", "b");
      assert.deepEqual(await read("metadata.jsonl", jsonl), expected);
    }
  });
  it("are refused at once where one is missing, twice there or could be several", async () => {
    const cases: [string, RegExp][] = [
      [
        "a,caption\nx.jpg,a\n",
        /column "image" in .* received a, caption; name the column in source\.image/,
      ],
      [
        "image,b\nx.jpg,a\n",
        /column "caption" in .* received image, b; name the column in source\.caption/,
      ],
      [
        "path,filename,text\nx.jpg,x.jpg,a\n",
        /one column of images .* received path, filename; name one/,
      ],
      ["image,text,title\nx.jpg,a,b\n", /one column of captions .* received text, title/],
      ["image,caption,caption\nx.jpg,a,b\n", /one column "caption" .* several/],
      ["url,caption\nhttp://x,a\n", /download the pictures first/],
      ["image:caption\nx.jpg:a\n", /received image:caption; .* or set source\.delimiter/],
      ["x.jpg,a cat\ny.jpg,b\n", /received x\.jpg, a cat; begin the table with a line of names/],
      ["", /a header with the names of columns/],
      ["\n\n", /a header with the names of columns/],
    ];
    for (const [text, message] of cases) await assert.rejects(read("c.csv", text), message);
    const jsonl = '{"img_id":1,"text":"a"}\n{"img_id":2,"text":"b"}\n';
    await assert.rejects(read("c.jsonl", jsonl), /column "image" in .* received img_id, text;/);
    const label = { label: "class" };
    await assert.rejects(read("c.csv", "image,caption\nx.jpg,a\n", label), /column "class"/);
  });
  it("prefer the default names to others", async () => {
    const text = "path,image,title,caption\nq,x.jpg,t,a\n";
    assert.deepEqual(await read("default.csv", text), ["x.jpg: a"]);
    const spec = { image: "path", caption: "title" };
    assert.deepEqual(await read("named.csv", "path,image,title,caption\nx.jpg,q,t,a\n", spec), [
      "x.jpg: t",
    ]);
  });
  it("may hold labels of any simple kind instead of captions", async () => {
    // As CLIP_benchmark's sets have numbers of classes.
    const cls = await read("cls.csv", "image,cls\nx.jpg,0\ny.jpg,\n");
    assert.deepEqual(cls, await read("same.csv", "image,label\nx.jpg,0\ny.jpg,\n"));
    const both = await read("both.csv", "image,cls,label\nx.jpg,7,0\ny.jpg,7,\n");
    assert.deepEqual(both, cls);
    assert.deepEqual(await read("label.csv", "image,label\nx.jpg,0\ny.jpg,\n"), [
      "x.jpg:  (0)",
      "y.jpg: ",
    ]);
    const jsonl =
      '{"image":"x.jpg","label":12345678901234567890}\n{"image":"y.jpg","label":true}\n' +
      '{"image":"z.jpg","label":[1]}\n';
    assert.deepEqual(await read("label.jsonl", jsonl), [
      "x.jpg:  (12345678901234567890)",
      "y.jpg:  (true)",
      'z.jpg!line 3: "label" is neither a string nor a number',
    ]);
  });
});

describe("a table's text", () => {
  it("is UTF-8 with or without its mark, or UTF-16 with it", async () => {
    const text = "image,caption\nx.jpg,café\n";
    const expected = ["x.jpg: café"];
    assert.deepEqual(await read("utf8.csv", text), expected);
    assert.deepEqual(await read("mark.csv", `\uFEFF${text}`), expected);
    const little = Buffer.from(`\uFEFF${text}`, "utf16le");
    assert.deepEqual(await read("utf16.csv", little), expected);
    assert.deepEqual(await read("utf16be.csv", Buffer.from(little).swap16()), expected);
    const row = '\uFEFF{"image":"x.jpg","caption":"café"}\n';
    assert.deepEqual(await read("mark.jsonl", row), expected);
    assert.deepEqual(await read("utf16.jsonl", Buffer.from(row, "utf16le")), expected);
  });
  it("is never guessed: rows in other bytes are bad", async () => {
    const latin = Buffer.from("image,caption\nx.jpg,caf\xe9\ny.jpg,b\n", "latin1");
    const expected = ["!line 2: bytes that are not UTF-8; save the table as UTF-8", "y.jpg: b"];
    assert.deepEqual(await read("latin.csv", latin), expected);
    const zero = "image,caption\nx.jpg,a\0b\ny.jpg,b\n";
    const lines = await read("zero.csv", zero);
    assert.match(lines[0]!, /^!line 2: a zero byte/);
    assert.equal(lines[1], "y.jpg: b");
  });
  it("is JSON in lines or in one list", async () => {
    const [x, y] = ['{"image":"x.jpg","caption":"a, ]"}', '{"caption":"\\"b{","image":"y.jpg"}'];
    const expected = ["x.jpg: a, ]", 'y.jpg: "b{'];
    for (const text of [`[${x},${y}]`, ` [\n  ${x},\n  ${y}\n]\n`, `${x}\n${y}`]) {
      for (const name of ["list.json", "list.jsonl"])
        assert.deepEqual(await read(name, text), expected);
    }
    const z = '{"image":"z.jpg","caption":"c"}';
    const sequences = [
      `${JSON.stringify(JSON.parse(x), null, 2)}\n${JSON.stringify(JSON.parse(y), null, 2)}\n${z}`,
      `${x}${y}\n${z}\n`,
      `${x},\n${y},\n${z}\n`,
      `\x1e${x}\n\x1e${y}\n\x1e${z}\n`,
      `${x}\r${y}\r${z}\r`,
    ];
    for (const text of sequences) {
      assert.deepEqual(await read("sequence.jsonl", text), [...expected, "z.jpg: c"]);
    }
    const torn = await read("damaged.jsonl", `${x}\n{"image":"y.jpg","cap\n${z}\n`);
    assert.deepEqual([torn[0], torn[2]], [expected[0], "z.jpg: c"]);
    assert.match(torn[1]!, /^!line 2: not JSON/);
    const damaged = await read("damaged.json", `[\n${x},\n7,\n${y},\n{"image":"z.jpg"`);
    assert.deepEqual(damaged.slice(0, 3), [expected[0], "!line 3: not a JSON object", expected[1]]);
    assert.match(damaged[3]!, /^!line 5: not JSON .*; what follows it is lost$/);
    const whole = [
      '{"images":[],"annotations":[]}',
      '{\n "images": []\n}',
      '{"image":{"0":"x.jpg"},"caption":{"0":"a"}}',
      '{"image":["x.jpg"],"caption":["a"]}',
      '{"data":[{"image":"x.jpg","caption":"a"}]}',
      '{"x.jpg":"a","y.jpg":"b"}',
    ];
    for (const text of whole) {
      await assert.rejects(
        read("coco.json", text),
        /received one object, such as COCO's annotations/,
      );
    }
  });
  it("may be packed by gzip, and is refused in other containers and in UTF-16 without its mark", async () => {
    const text = "image,caption\nx.jpg,a\n";
    assert.deepEqual(await read("packed.csv.gz", gzipSync(text)), ["x.jpg: a"]);
    assert.deepEqual(await read("gz.csv", gzipSync(`\uFEFF${text}`)), ["x.jpg: a"]);
    const row = '{"image":"x.jpg","caption":"a"}\n';
    assert.deepEqual(await read("packed.jsonl.gz", gzipSync(row)), ["x.jpg: a"]);
    const cut = gzipSync(text).subarray(0, 20);
    await assert.rejects(read("cut.csv.gz", cut), /gzip that is cut or damaged for .*; fetch it/);
    const zstd = Buffer.from("28b52ffd0000", "hex");
    await assert.rejects(read("z.csv", zstd), /packed by zstd for .*; unpack it with zstd -d$/);
    const unmarked = Buffer.from("image,caption\nx.jpg,a\n", "utf16le");
    await assert.rejects(read("unmarked.csv", unmarked), /zero bytes, as UTF-16 without its mark/);
    await assert.rejects(read("x.csv", "PK\x03\x04"), /a spreadsheet or zip file/);
    await assert.rejects(read("p.csv", "PAR1"), /received Parquet for .*; give it a name/);
  });
  it("is JSON as Python writes it, and lines end at line feeds only", async () => {
    const text =
      '{"image":"x.jpg","caption":"a\u2028b\u0085c","score":NaN}\r\n' +
      '{"image":"y.jpg","caption":NaN,"id":9007199254740993}\n';
    assert.deepEqual(await read("python.jsonl", text), ["x.jpg: a\u2028b\u0085c", "y.jpg: "]);
  });
});

describe("a table's images", () => {
  it("are no web addresses", async () => {
    const lines = await read("web.csv", "image,caption\nhttps://e.org/a.jpg,a\ns3://b/c.jpg,c\n");
    for (const line of lines)
      assert.match(line, /its image is the (web )?address .*fetch it first/);
    assert.equal(lines.length, 2);
  });
  it("may have the backslashes of Windows, and a caption's number as Flickr's have", async () => {
    write("in/x.jpg", "x");
    write("odd\\name.jpg", "x");
    const csv = "image,caption\nin\\x.jpg,a\nodd\\name.jpg,b\ny.jpg#0,c\ny.jpg#1,d\nz.jpg#,e\n";
    const windows = sep === "\\";
    assert.deepEqual(await read("windows-paths.csv", csv), [
      "in\\x.jpg: a",
      windows ? "odd\\name.jpg!the file does not exist" : "odd\\name.jpg: b",
      "y.jpg: c | d",
      "z.jpg#!the file does not exist",
    ]);
  });
  it("are no pictures in base64", async () => {
    const row = { image: "/9j/4AAQ".repeat(1000), caption: "a" };
    assert.deepEqual(await read("base64.jsonl", JSON.stringify(row)), [
      '!line 1: no image path in "image" but 8000 characters',
    ]);
  });
  it("may stand in an object with a path", async () => {
    const jsonl = '{"image":{"bytes":null,"path":"x.jpg"},"text":"a"}\n';
    assert.deepEqual(await read("object.jsonl", jsonl), ["x.jpg: a"]);
  });
});
