import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { writeZip, type ZipPart } from "../../../test/support/zip-writer.ts";
import { memorySource } from "./byte-source.ts";
import { ZipArchive } from "./zip.ts";

const open = (bytes: Uint8Array): ZipArchive => new ZipArchive(memorySource("a.zip", bytes));
const text = (content: string): Uint8Array => Buffer.from(content);
const part = (name: string, lies: ZipPart["lies"] = {}): ZipPart => ({
  name,
  data: text(`contents of ${name}`),
  lies,
});

describe("an archive that is refused", () => {
  const whole = writeZip([part("a"), part("b")]);
  const cases: [string, Uint8Array, RegExp][] = [
    ["nothing", text(""), /no whole zip archive/],
    ["text", text("PK is no archive"), /no whole zip archive/],
    ["cut at the end", whole.subarray(0, -1), /no whole zip archive/],
    ["cut at the beginning", whole.subarray(1), /damaged at byte|out of bounds/],
    ["a path upwards", writeZip([part("../x")]), /"\.\.\/x" has a name that leads out/],
    ["a path upwards inside", writeZip([part("a/../../x")]), /leads out of the archive/],
    ["a path upwards on Windows", writeZip([part("a\\..\\x")]), /leads out of the archive/],
    ["an absolute path", writeZip([part("/etc/passwd")]), /leads out of the archive/],
    ["a drive", writeZip([part("C:x")]), /leads out of the archive/],
    ["a zero in a name", writeZip([part("a\0b")]), /leads out of the archive/],
    ["a name twice", writeZip([part("a"), part("a")]), /the entry a twice/],
    ["an encrypted entry", writeZip([part("a", { flags: 1 })]), /entry a is encrypted/],
    ["another method", writeZip([part("a", { method: 12 })]), /compressed by the method 12/],
    ["a size that is not there", writeZip([part("a", { size: 9 })]), /claims 9 bytes from 13/],
    [
      "a stored entry beyond the end",
      writeZip([part("a", { size: 1e6, compressed: 1e6 })]),
      /entry a lies out of bounds/,
    ],
    ["overlapping entries", writeZip([part("a"), part("b", { header: 3 })]), /a overlaps the one/],
    ["one place twice", writeZip([part("a"), part("b", { header: 0 })]), /overlaps the one/],
    ["a bomb", writeZip([part("a", { method: 8, size: 1e8 })]), /claims 100000000 bytes from 13/],
    ["too few entries", writeZip([part("a")], { count: 2 }), /has 1 entries in place of 2/],
    ["a directory elsewhere", writeZip([part("a")], { start: 1 }), /damaged at byte 0/],
    ["a directory too long", writeZip([part("a")], { length: 999 }), /out of bounds/],
  ];
  for (const [name, bytes, message] of cases) {
    it(name, () => assert.throws(() => open(bytes), { name: "Error", message }));
  }
});

describe("an entry that is refused", () => {
  const read = (entry: ZipPart, most = 1000): unknown => {
    const archive = open(writeZip([entry, part("next")]));
    return archive.read(archive.entries.get(entry.name)!, most);
  };
  const long = { name: "a", data: new Uint8Array(5000), deflate: true };

  it("for its sum", () =>
    assert.throws(() => read(part("a", { crc: 1 })), /a is damaged: its sum/));
  it("for its length", () => assert.throws(() => read(part("a"), 5), /13 bytes, more than the 5/));
  it("for what it inflates to", () => {
    assert.throws(() => read({ ...long, lies: { size: 4000 } }, 1e4), /be inflated to 4000 bytes/);
    assert.throws(
      () => read({ ...long, lies: { size: 6000 } }, 1e4),
      /5000 bytes in place of 6000/,
    );
    assert.throws(() => read(part("a", { method: 8, size: 20 })), /cannot be inflated/);
  });
  it("for a header of its own that says otherwise", () => {
    assert.throws(() => read(part("a", { localName: "b" })), /header of its own that says/);
    assert.throws(() => read(part("a", { header: 1, compressed: 12, size: 12 })), /no header at/);
  });
  it("for reaching into the next one", () => {
    const far = part("a", { localName: "a".repeat(99) });
    const bytes = writeZip([far, part("next", { header: 50 })]);
    const archive = open(bytes);
    assert.throws(() => archive.locate(archive.entries.get("a")!), /overlaps the one after it/);
  });
});

describe("an archive", () => {
  it("gives stored and deflated entries whole, in part and by place", () => {
    const data = Uint8Array.from({ length: 4000 }, (_, i) => i % 7);
    for (const deflate of [false, true]) {
      const bytes = writeZip([part("folder/"), { name: "a/ü", data, deflate }], { comment: "PK" });
      const archive = open(bytes);
      assert.deepEqual([...archive.entries.keys()], ["a/ü"]);
      const entry = archive.entries.get("a/ü")!;
      assert.deepEqual(Uint8Array.from(archive.read(entry, 4000)), data);
      assert.deepEqual(Uint8Array.from(archive.peek(entry, 100)), data.subarray(0, 100));
      if (deflate) continue;
      const at = archive.locate(entry);
      assert.deepEqual(Uint8Array.from(bytes.subarray(at, at + 4000)), data);
    }
  });
});
