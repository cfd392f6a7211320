import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { NativeError } from "../errors.ts";
import { backward, empty, mapFile, readFileInto, scope, viewAs, zeros } from "./index.ts";

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

describe("readFileInto", () => {
  it("refuses a file that ends too soon and a descriptor of none", () => {
    opened((descriptor) => {
      assert.throws(() => readFileInto(zeros([24]), descriptor, 4), /the file ends at byte 96/);
      assert.throws(() => readFileInto(zeros([1]), 9999, 0), /EBADF|Bad file descriptor/);
    });
  });

  it("refuses memory that is not in one piece", () => {
    opened((descriptor) => {
      assert.throws(() => readFileInto(zeros([4, 3]).t(), descriptor, 0), NativeError);
    });
  });

  it("fills tensors of any shape from any place, views too", () => {
    opened((descriptor) => {
      const whole = zeros([2, 3, 4]);
      readFileInto(whole, descriptor, 0);
      assert.deepEqual([...whole.toFloat32Array()], [...numbers]);
      readFileInto(whole.select(0, 1), descriptor, 12);
      assert.deepEqual(
        [...whole.toFloat32Array()],
        [...numbers.subarray(0, 12), ...numbers.subarray(3, 15)],
      );
      const scalar = zeros([]);
      readFileInto(scalar, descriptor, 8);
      assert.equal(scalar.item(), -1.5);
      readFileInto(empty([0, 2]), descriptor, 96);
    });
  });
});

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

  it("maps elements of another type, and writes to the file where it is shared", () => {
    const own = join(folder, "shared");
    writeFileSync(own, new Uint8Array(numbers.buffer));
    scope(() => {
      const mapped = mapFile(own, 24, { dtype: "float32", shared: true });
      assert.deepEqual([...mapped.toFloat32Array()], [...numbers]);
      mapped.narrow(0, 1, 2).fill_(9);
    });
    const written = new Float32Array(new Uint8Array(readFileSync(own)).buffer);
    assert.deepEqual([...written], [numbers[0], 9, 9, ...numbers.subarray(3)]);
  });

  it("refuses a file that is not there", () => {
    assert.throws(() => mapFile(join(folder, "absent"), 8), NativeError);
  });
});
