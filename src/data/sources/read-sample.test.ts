import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatJson } from "../../files/json-text.ts";
import { openSource } from "./open-source.ts";
import { readSamples, type SampleText } from "./read-sample.ts";
import { linesOf, tarOf, workspace } from "./samples.test.helper.ts";

const { write } = workspace("read-sample");

async function captionsOf(json: string, txt?: string | Uint8Array): Promise<string> {
  const files = { "a.jpg": "A", "a.json": json, ...(txt === undefined ? {} : { "a.txt": txt }) };
  const [line = ""] = await linesOf({ kind: "webdataset", shards: write("one.tar", tarOf(files)) });
  return line.replace(/^a: ?/, "");
}

describe("a record that cannot be read", () => {
  it("costs the sample only where nothing else has a caption", async () => {
    assert.equal(await captionsOf("{cut", "there"), "there");
    assert.equal(await captionsOf("[1]", "there"), "there");
    assert.equal(await captionsOf('{"caption": "x".}', "there"), "there");
    assert.match(await captionsOf("{cut"), /^a!its JSON record is not JSON \(.*\)$/);
    assert.equal(await captionsOf("[1]", " "), "a!its JSON record is not an object");
    const latin1 = Buffer.from('{"caption": "café"}', "latin1");
    assert.match(
      await captionsOf(latin1 as never),
      /^a!its JSON record cannot be read: bytes that are not UTF-8 \(byte 16\); save it as UTF-8$/,
    );
    const large = `{"exif": "${"x".repeat(1 << 20)}"}`;
    assert.equal(await captionsOf(large, "there"), "there");
    assert.match(await captionsOf(large), /its 1048588 bytes are more than the 1048576 allowed/);
  });
  it("does not matter beside a label", async () => {
    const shards = write("label.tar", tarOf({ "a.jpg": "A", "a.json": "{cut", "a.cls": "7\n" }));
    assert.deepEqual(await linesOf({ kind: "webdataset", shards }), ["a:  (7)"]);
  });
});

describe("captions", () => {
  it("that are no texts are passed over for those that are, and reported where there are none", async () => {
    assert.equal(await captionsOf('{"captions": {"en": "x"}, "caption": "y"}'), "y");
    assert.equal(await captionsOf('{"captions": [{"text": "x"}]}', "there"), "there");
    assert.equal(
      await captionsOf('{"captions": [{"text": "x"}]}'),
      'a!"captions" in its JSON record is not a list of texts',
    );
    assert.equal(
      await captionsOf('{"caption": true}'),
      'a!"caption" in its JSON record is not a text',
    );
  });
  it("that are empty, blank or null are none", async () => {
    const empty = [
      '{"captions": []}',
      '{"captions": null}',
      '{"captions": [null, " "]}',
      '{"captions": [[]]}',
    ];
    for (const json of empty) {
      assert.equal(await captionsOf(json), "");
      assert.equal(await captionsOf(json, "there"), "there");
      const both = `${json.slice(0, -1)}, "caption": "single"}`;
      assert.equal(await captionsOf(both), "single");
      assert.equal(await captionsOf(both, "there"), "there");
    }
    assert.equal(await captionsOf('{"captions": ["x", null, "", "y"]}', "there"), "x | y");
    assert.equal(await captionsOf('{"caption": null}', "there"), "there");
    assert.equal(await captionsOf('{"caption": "single"}', "\r\n "), "single");
  });
  it("may be numbers and lists in lists", async () => {
    assert.equal(
      await captionsOf('{"captions": ["x", [2012, ["y"]], 12345678901234567890]}'),
      "x | 2012 | y | 12345678901234567890",
    );
    assert.equal(await captionsOf('{"caption": 2012}'), "2012");
  });
  it("are read in UTF-16 with its mark, and Latin-1 is a bad sample", async () => {
    assert.equal(await captionsOf("{}", Buffer.from("\uFEFFun café\r\n", "utf16le")), "un café");
    assert.equal(await captionsOf("{}", "\uFEFFun café"), "un café");
    assert.equal(
      await captionsOf("{}", Buffer.from("un café", "latin1")),
      "a!its caption cannot be read: bytes that are not UTF-8 (byte 6); save it as UTF-8",
    );
    assert.match(
      await captionsOf('{"label": 3}', Buffer.from("un café", "latin1")),
      /^a!its caption/,
    );
    assert.match(await captionsOf("{}", Buffer.from("a cat", "utf16le")), /a zero byte \(byte 1\)/);
  });
  it("one a line end at any line break", async () => {
    const shards = write(
      "lines.tar",
      tarOf({ "a.jpg": "A", "a.txt": "one\r\ntwo\rthree\n\nfour" }),
    );
    const lines = await linesOf({ kind: "webdataset", shards, captionPerLine: true });
    assert.deepEqual(lines, ["a: one | two | three | four"]);
  });
});

describe("a record", () => {
  const json =
    '{"hash":6391326009969271747,"similarity":NaN,"score":1.0,"n":1,"label":3,"__proto__":{"x":1},"caption":"c"}';
  const read = async (floats?: "marked"): Promise<SampleText> => {
    const shards = write("record.tar", tarOf({ "a.jpg": "A", "a.json": json }));
    const source = await openSource({ kind: "webdataset", shards });
    if (floats) source.reading.floats = floats;
    for await (const sample of readSamples(source)) if ("text" in sample) return sample.text;
    throw new Error("no sample");
  };
  it("keeps integers exact, reads NaN as null, and changes no prototype", async () => {
    const { captions, label, meta } = await read();
    assert.deepEqual([captions, label], [["c"], "3"]);
    assert.equal(Object.getPrototypeOf(meta), Object.prototype);
    assert.deepEqual(Object.entries(meta!), [
      ["hash", 6391326009969271747n],
      ["similarity", null],
      ["score", 1],
      ["n", 1],
      ["__proto__", { x: 1 }],
    ]);
  });
  it("is there whole, its floats too where they are asked for", async () => {
    const { record } = await read("marked");
    assert.equal(formatJson(record), json.replace("NaN", "null"));
  });
});
