import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { NativeError } from "../errors.ts";
import { backward, empty, mapFile, readFileInto, scope, viewAs, zeros } from "./index.ts";
import { readThroughBuffer } from "./read-file.ts";

const folder = mkdtempSync(join(tmpdir(), "limn-read-file-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "bytes");
const numbers = Float32Array.from({ length: 24 }, (_, i) => i - 3.5);
writeFileSync(file, new Uint8Array(numbers.buffer));

function opened(body: (descriptor: number) => void): void {
  const descriptor = openSync(file, "r");
  try {
    scope(() => body(descriptor));
  } finally {
    closeSync(descriptor);
  }
}

for (const [name, read] of [
  ["readFileInto", readFileInto],
  ["readThroughBuffer", readThroughBuffer],
] as const) {
  describe(name, () => {
    it("refuses a file that ends too soon and a descriptor of none", () => {
      opened((descriptor) => {
        assert.throws(() => read(zeros([24]), descriptor, 4), /the file ends at byte 96/);
        assert.throws(() => read(zeros([1]), 9999, 0), /EBADF|Bad file descriptor/);
      });
    });

    it("refuses memory that is not in one piece", () => {
      opened((descriptor) => {
        assert.throws(() => read(zeros([4, 3]).t(), descriptor, 0), NativeError);
      });
    });

    it("fills tensors of any shape from any place, views too", () => {
      opened((descriptor) => {
        const whole = zeros([2, 3, 4]);
        read(whole, descriptor, 0);
        assert.deepEqual([...whole.toFloat32Array()], [...numbers]);
        read(whole.select(0, 1), descriptor, 12);
        assert.deepEqual(
          [...whole.toFloat32Array()],
          [...numbers.subarray(0, 12), ...numbers.subarray(3, 15)],
        );
        const scalar = zeros([]);
        read(scalar, descriptor, 8);
        assert.equal(scalar.item(), -1.5);
        read(empty([0, 2]), descriptor, 96);
      });
    });
  });
}

it("readFileInto tells a graph that saved the old content", () => {
  opened((descriptor) => {
    const x = zeros([2]).setRequiresGrad(true);
    const saved = zeros([2]);
    const product = x.mul(saved).sum();
    readFileInto(saved, descriptor, 0);
    assert.throws(() => backward(product), /modified by an inplace operation/);
  });
});

describe("mapFile", () => {
  it("shares the file's pages, and keeps writes to itself", () => {
    scope(() => {
      const bytes = mapFile(file, 96);
      const floats = viewAs(bytes, "float32");
      assert.deepEqual([...floats.toFloat32Array()], [...numbers]);
      floats.fill_(1);
      assert.deepEqual(readFileSync(file), Buffer.from(numbers.buffer));
    });
  });

  it("refuses a file that is not there", () => {
    assert.throws(() => mapFile(join(folder, "absent"), 8), NativeError);
  });
});
