import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";

import { DataError, StorageError } from "../errors.ts";
import { NpyWriter, readNpy } from "./npy.ts";

const folder = mkdtempSync(join(tmpdir(), "limn-npy-"));
after(() => rmSync(folder, { recursive: true }));

const golden = JSON.parse(
  readFileSync(new URL("../../../test/goldens/npy.json", import.meta.url), "utf8"),
) as Record<"float32" | "float16" | "widened", string> & { refused: Record<string, string> };
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "base64"));

function fileWith(name: string, bytes: Uint8Array): string {
  const file = join(folder, name);
  writeFileSync(file, bytes);
  return file;
}

describe("readNpy, given something else", () => {
  const refuses = (file: string, what: RegExp): void =>
    assert.throws(
      () => readNpy(file),
      (error) =>
        error instanceof DataError &&
        error.source === file &&
        (assert.match(error.message, what), true),
    );

  it("refuses other layouts and types of NumPy", () => {
    for (const [name, text] of Object.entries(golden.refused)) {
      refuses(
        fileWith(name, bytesOf(text)),
        /a matrix of float32 or float16 .* received "\{'descr'/,
      );
    }
  });

  it("refuses files that are absent, cut, too long or no NumPy files", () => {
    const whole = bytesOf(golden.float32);
    refuses(join(folder, "absent.npy"), /received none \(the file does not exist/);
    refuses(fileWith("empty", new Uint8Array(0)), /no file of format version 1\.0/);
    refuses(fileWith("text", Buffer.from("hello, I am a text")), /no file of format version/);
    refuses(fileWith("cut", whole.subarray(0, 1000)), /872 bytes for \[100, 4\] float32/);
    refuses(fileWith("header", whole.subarray(0, 40)), /received "\{'descr'/);
    refuses(fileWith("long", Buffer.concat([whole, Buffer.from([0])])), /1601 bytes for/);
    const huge = Buffer.from(whole);
    huge.write("(9999999999999, 999999999999), }", huge.indexOf("(100"), "latin1");
    refuses(fileWith("huge", huge), /1600 bytes for \[9999999999999, 999999999999\]/);
  });
});

describe("NumPy's files", () => {
  it("are read as NumPy widens them", () => {
    const single = readNpy(fileWith("float32.npy", bytesOf(golden.float32)));
    const half = readNpy(fileWith("float16.npy", bytesOf(golden.float16)));
    const widened = readNpy(fileWith("widened.npy", bytesOf(golden.widened)));
    assert.deepEqual([half.rows, half.dim, half.precision], [100, 4, "float16"]);
    assert.deepEqual(half.data, widened.data);
    assert.equal(single.data.length, 400);
  });

  for (const precision of ["float32", "float16"] as const) {
    it(`are written byte for byte, ${precision}, in any parts`, () => {
      const { data } = readNpy(fileWith("source.npy", bytesOf(golden.float32)));
      const file = join(folder, `${precision}-written.npy`);
      const writer = new NpyWriter(file, 4, precision);
      for (const [from, to] of [
        [0, 1],
        [1, 1],
        [1, 60],
        [60, 100],
      ] as const) {
        writer.append(data.subarray(4 * from, 4 * to));
      }
      assert.equal(writer.rows, 100);
      writer.finish();
      assert.deepEqual(readFileSync(file), Buffer.from(golden[precision], "base64"));
    });
  }

  it("keep what is no number", () => {
    const file = join(folder, "nan.npy");
    const writer = new NpyWriter(file, 2, "float16");
    writer.append(Float32Array.of(NaN, -Infinity));
    writer.finish();
    assert.deepEqual([...readNpy(file).data], [NaN, -Infinity]);
  });
});

describe("NpyWriter, misused", () => {
  it("refuses parts of rows, and folders that are not there", () => {
    const writer = new NpyWriter(join(folder, "rows.npy"), 4, "float32");
    assert.throws(() => writer.append(new Float32Array(6)), /rows of 4 numbers .* received 6/);
    writer.discard();
    writer.discard();
    assert.throws(() => readNpy(writer.file), /the file does not exist/);
    const absent = join(folder, "absent", "a.npy");
    assert.throws(
      () => new NpyWriter(absent, 4, "float32"),
      (error) => error instanceof StorageError && error.file === absent,
    );
  });
});
