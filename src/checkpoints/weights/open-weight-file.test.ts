import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { CheckpointError } from "../../errors.ts";
import { writeZip } from "../../../test/support/zip-writer.ts";
import { tensor, zeros } from "../../torch/index.ts";
import { checkFinite, nonFiniteNames } from "./check-weights.ts";
import { npzIn } from "./npz.ts";
import { openWeightFile } from "./open-weight-file.ts";
import { torchFileIn, type TorchFile } from "./pytorch/torch-file.ts";
import { readSafetensors } from "./safetensors.ts";
import { openSource } from "./byte-source.ts";
import type { WeightFile } from "./weight-file.ts";

const openTorch = (file: string): TorchFile => torchFileIn(openSource(file));
const openNpz = (file: string): WeightFile => npzIn(openSource(file));

const folder = mkdtempSync(join(tmpdir(), "limn-open-weights-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const golden = (name: string): string =>
  fileURLToPath(new URL(`../../../../test/goldens/${name}`, import.meta.url));

const tar = Buffer.alloc(1024);
tar.write("ustar", 257);

describe("openWeightFile", () => {
  const cases: [string, string | Uint8Array, RegExp][] = [
    ["an empty file", "", /it is empty/],
    ["a web page", "<!DOCTYPE html><html>404</html>", /it is a web page, as a failed download/],
    [
      "a pointer of Git LFS",
      "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
      /Git LFS pointer in place of the file \(git lfs pull/,
    ],
    ["a tar archive", tar, /it is a tar archive/],
    ["gzip", gzipSync("x"), /compressed by gzip/],
    ["a bare pickle", "\x80\x02}.", /a bare pickle, of which nothing was executed/],
    ["one array", "\x93NUMPY\x01\0", /a single array of numpy/],
    ["HDF5", "\x89HDF\r\n\x1a\n", /an HDF5 file/],
    ["text", "hello", /its first bytes are those of no such file/],
    ["JSON of another kind", '{"architectures": ["CLIPModel"]}', /has no weight_map/],
    ["another zip", writeZip([{ name: "a.txt", data: Buffer.from("a") }]), /zip archive of others/],
  ];
  for (const [name, content, message] of cases) {
    it(`names what it found: ${name}`, () => {
      const file = join(folder, "weights.safetensors");
      writeFileSync(file, typeof content === "string" ? Buffer.from(content, "latin1") : content);
      for (const open of [openWeightFile, readSafetensors, openNpz, openTorch]) {
        assert.throws(
          () => open(file),
          (error: unknown) => {
            assert.ok(error instanceof CheckpointError, String(error));
            assert.ok(error.message.includes(file));
            if (open === openWeightFile) assert.match(error.message, message);
            return true;
          },
        );
      }
    });
  }

  it("refuses a file that is not there, and a folder", () => {
    const absent = join(folder, "absent.bin");
    assert.throws(() => openWeightFile(absent), /there is no such file; check the path/);
    assert.throws(() => openWeightFile(folder), /check the path and its permissions/);
  });

  it("goes by content, not by name", () => {
    const file = join(folder, "misnamed.safetensors");
    writeFileSync(file, readFileSync(golden("weights/training.pt")));
    using weights = openWeightFile(file);
    assert.deepEqual(weights.names, ["weight", "bias"]);
    using moments = openWeightFile(file, { path: ["optimizer", "state", "1"] });
    assert.ok(moments.has("exp_avg"));
    assert.throws(() => openWeightFile(file, { path: ["model"] }), /name one of state_dict/);
  });
});

describe("an archive of numpy that is refused", () => {
  const npy = (header: string, data = "12345678", version = 1): Buffer => {
    const length = Buffer.alloc(2);
    length.writeUInt16LE(header.length);
    return Buffer.concat([
      Buffer.from("\x93NUMPY", "latin1"),
      Buffer.of(version, 0),
      length,
      Buffer.from(header + data),
    ]);
  };
  const header = (descr: string, order: string, shape: string): string =>
    `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
  const good = header("'<f4'", "False", "(2,)");
  const cases: [string, Buffer, RegExp][] = [
    ["no array", Buffer.from("hello world, hello"), /no header of numpy's format/],
    ["a version of the future", npy(good, "12345678", 4), /version 4 of numpy's format/],
    ["a header beyond the end", npy(good, "").subarray(0, 20), /cut off inside its header/],
    ["too few elements", npy(good, "1234"), /states <f4 \(2\), 8 bytes, but 4 follow/],
    ["too many elements", npy(good, "123456789"), /8 bytes, but 9 follow/],
    ["code for a header", npy("__import__('os').system('x')"), /not what numpy writes/],
    ["code for a shape", npy(header("'<f4'", "False", "(f(),)")), /not what numpy writes/],
    ["an unknown field", npy(good.replace("}", "'x': 'y'}")), /the unknown field x/],
    ["no order", npy("{'descr': '<f4', 'shape': (2,)}"), /no fortran_order/],
    ["a negative side", npy(header("'<f4'", "False", "(-2,)")), /not what numpy writes/],
    ["an endless shape", npy(header("'<f4'", "False", "(9999999999,9999999999)")), /its shape is/],
    ["several fields", npy(header("[('a', '<f4')]", "False", "(1,)")), /not what numpy writes/],
  ];
  for (const [name, data, message] of cases) {
    for (const deflate of [false, true]) {
      it(`${name}${deflate ? ", deflated" : ""}`, () => {
        const file = join(folder, "bad.npz");
        writeFileSync(file, writeZip([{ name: "a.npy", data, deflate }]));
        assert.throws(
          () => openNpz(file),
          (error: unknown) => {
            assert.ok(error instanceof CheckpointError);
            assert.match(error.message, message);
            return true;
          },
        );
      });
    }
  }
});

describe("weights that are no numbers", () => {
  const entries = (): [string, ReturnType<typeof zeros>][] => [
    ["fine", zeros([3])],
    ["none", zeros([0])],
    ["count", zeros([2], { dtype: "int64" })],
    ["nan", tensor([1, NaN, 2])],
    ["infinite", tensor([1, -Infinity, 2])],
    ["half", tensor([1, 1e9]).to("float16")],
    ["brain", tensor([NaN, 1]).to("bfloat16")],
    ["large", tensor([3e38, -3e38, 3e38])],
  ];

  it("are found in every floating-point type, large sums not among them", () => {
    assert.deepEqual(nonFiniteNames(entries()), ["nan", "infinite", "half", "brain"]);
  });

  it("are one error that names them all", () => {
    assert.throws(
      () => checkFinite("model.bin", entries()),
      (error: unknown) => {
        assert.ok(error instanceof CheckpointError);
        assert.match(error.message, /finite weights in model\.bin but 4 hold NaN.*\n {4}nan\n/);
        return true;
      },
    );
    checkFinite("model.bin", [["fine", zeros([3])]]);
  });
});
