import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { expandPaths } from "./expand-paths.ts";
import { workspace } from "../sources/samples.test.helper.ts";

const { top, write } = workspace("paths");
const found = (...patterns: string[]): string[] =>
  expandPaths(patterns.map((pattern) => join(top, pattern))).map((path) =>
    path.slice(top.length + 1),
  );

test("what exists is meant by its name, whatever characters it has", () => {
  const names = [
    "set [v1]/s-0.tar",
    "set [v1]/s-1.tar",
    "what?/a.tar",
    "{a,b}/x.tar",
    "b*c.tar",
    "bac.tar",
    "back\\[slash.tar",
  ];
  for (const name of names) write(name);
  for (const name of names) assert.deepEqual(found(name), [name]);
  assert.deepEqual(found("set [v1]"), ["set [v1]"]);
  assert.deepEqual(found("set [v1]/*.tar"), ["set [v1]/s-0.tar", "set [v1]/s-1.tar"]);
  assert.deepEqual(found("set [v1]/s-{0..2}.tar"), [
    "set [v1]/s-0.tar",
    "set [v1]/s-1.tar",
    "set [v1]/s-2.tar",
  ]);
  assert.deepEqual(found("{a,b}/[x].tar"), ["{a,b}/x.tar"]);
  assert.deepEqual(found("what?/*"), ["what?/a.tar"]);
});

test("a backslash takes the meaning of a character", () => {
  for (const name of [
    "set1/a.tar",
    "set*/a.tar",
    "x{1,2}.tar",
    "p-0[q].tar",
    "p-1[q].tar",
    "p-0q.tar",
  ])
    write(name);
  assert.deepEqual(found("se?\\*/a.tar"), ["set*/a.tar"]);
  assert.deepEqual(found("se?1/a.tar"), ["set1/a.tar"]);
  assert.deepEqual(found("[x]\\{1,2\\}.tar"), ["x{1,2}.tar"]);
  assert.deepEqual(found("p-{0..1}\\[q\\].tar"), ["p-0[q].tar", "p-1[q].tar"]);
  assert.deepEqual(found("p-{0..0}[q].tar"), ["p-0[q].tar"]);
  assert.deepEqual(found("p-0[q]*"), ["p-0q.tar"]);
  assert.deepEqual(found("none\\{0..1\\}.tar"), ["none{0..1}.tar"]);
  assert.deepEqual(found("{none\\,x,y}.tar"), ["none,x.tar", "y.tar"]);
});

test("letters are a range, as they are to shells and webdataset", () => {
  for (const name of ["l-a.tar", "l-b.tar", "l-d.tar"]) write(name);
  assert.deepEqual(found("l-{a..c}.tar"), ["l-a.tar", "l-b.tar", "l-c.tar"]);
  assert.deepEqual(found("l-{C..B}{b..a}"), ["l-Cb", "l-Ca", "l-Bb", "l-Ba"]);
  assert.deepEqual(found("l-{a..C}", "l-{aa..c}"), ["l-{a..C}", "l-{aa..c}"]);
});

test("names that are not UTF-8 are looked up by their bytes", (t) => {
  if (process.platform !== "linux") return t.skip("other systems have no such names");
  for (const byte of [0xe8, 0xe9]) {
    const name = Buffer.concat([Buffer.from(`${top}/caf`), Buffer.of(byte), Buffer.from(".tar")]);
    writeFileSync(name, "x");
  }
  assert.deepEqual(found("caf*.tar"), ["caf\udce8.tar", "caf\udce9.tar"]);
});
