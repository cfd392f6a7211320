import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { NativeError } from "../errors.ts";
import { packageRoot } from "../engine/engine-info.ts";
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

  it("refuses what is not there, too short, no file or no count", () => {
    const said = (message: RegExp) => (error: Error) =>
      error instanceof NativeError && message.test(error.message);
    assert.throws(() => mapFile(join(folder, "absent"), 8), said(/absent.*No such file/));
    assert.throws(() => mapFile(folder, 8), said(/no regular file/));
    assert.throws(() => mapFile(file, 97), said(/holds 96 bytes but 97 are wanted/));
    assert.throws(() => mapFile(file, 13, { dtype: "float64" }), said(/but 104 are wanted/));
    for (const count of [NaN, 0.5, -1, 2 ** 53]) {
      assert.throws(() => mapFile(file, count), said(/Expected (an integer|a count)/));
    }
    assert.throws(
      () => mapFile(file, 2 ** 52, { dtype: "float64", shared: true }),
      said(/are wanted/),
    );
    assert.equal(readFileSync(file).length, 96);
    const pipe = join(folder, "pipe");
    spawnSync("mkfifo", [pipe]);
    assert.throws(() => mapFile(pipe, 0), said(/no regular file/));
    scope(() => assert.equal(mapFile(file, 0).count, 0));
  });

  it("throws where the file is cut while it is mapped, at every use, and the process goes on", () => {
    const pages = 3 * 65536;
    const code = `
      import { truncateSync, writeFileSync } from "node:fs";
      import { checkMapped, mapFile, memory, noGrad, scope } from "limn/torch";
      const [file] = process.argv.slice(1);
      const cut = (length) => {
        writeFileSync(file, Buffer.alloc(${pages}, 1));
        return (body) => scope(() => {
          const mapped = mapFile(file, ${pages});
          console.log(mapped.select(0, ${pages} - 1).item());
          truncateSync(file, length);
          body(mapped);
        });
      };
      const tell = (body) => {
        try { console.log(body()); } catch (error) {
          console.log(error.code, error.file === file, error.message.replace(file, "FILE"));
        }
      };
      cut(5)((mapped) => {
        for (let i = 0; i < 2; i++) tell(() => mapped.to("float32").sum().item());
        tell(() => mapped.data());
        tell(() => mapped.fill_(3));
        console.log(mapped.select(0, 0).item());
      });
      cut(0)((mapped) => tell(() => mapped.all().item()));
      cut(${pages} - 3)((mapped) => {
        console.log(mapped.select(0, ${pages} - 1).item());
        tell(() => checkMapped(mapped));
      });
      console.log(memory().tensors);`;
    const child = spawnSync(
      process.execPath,
      ["--input-type=module", "-e", code, join(folder, "cut")],
      { encoding: "utf8", cwd: packageRoot() },
    );
    const lost = (left: number): string =>
      `LIMN_STORAGE true Expected FILE to keep its first ${pages} bytes while it is in use but it was ` +
      `cut to ${left}; make or fetch it again, then start again`;
    assert.equal(child.stderr, "");
    assert.deepEqual(child.stdout.trimEnd().split("\n"), [
      "1",
      ...[lost(5), lost(5), lost(5), lost(5)],
      "3",
      ...["1", lost(0)],
      ...["1", "0", lost(pages - 3)],
      "0",
    ]);
    assert.equal(child.signal, null);
  });

  it("leaves a bus error of another cause as it was", () => {
    const code = `
      import { mapFile } from "limn/torch";
      mapFile(process.argv[1], 8);
      process.kill(process.pid, "SIGBUS");
      setTimeout(() => process.exit(0), 5000);`;
    const child = spawnSync(process.execPath, ["--input-type=module", "-e", code, file], {
      cwd: packageRoot(),
    });
    assert.equal(child.signal, "SIGBUS");
  });
});
