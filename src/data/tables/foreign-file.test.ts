import assert from "node:assert/strict";
import { test } from "node:test";
import { foreignFile } from "./foreign-file.ts";

test("what a file is shows in its first bytes", () => {
  const cases: [string | Uint8Array, RegExp | undefined][] = [
    [Buffer.from("28b52ffd0000", "hex"), /packed by zstd/],
    ["PK\x03\x04", /spreadsheet or zip/],
    [Buffer.from("d0cf11e0a1b11ae1", "hex"), /old Excel/],
    ["ARROW1\0\0", /Feather/],
    ["version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", /Git LFS/],
    ["\uFEFF <!DOCTYPE html><html>", /web page/],
    ["image,caption\n", undefined],
    ["", undefined],
  ];
  for (const [bytes, expected] of cases) {
    const found = foreignFile(Buffer.from(bytes as string));
    if (expected === undefined) assert.equal(found, undefined);
    else assert.match(found!.what, expected);
  }
});
