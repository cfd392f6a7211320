import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { CheckpointError } from "../../errors.ts";
import { fromData, randn, scope, zeros, type DType, type Tensor } from "../../torch/index.ts";
import { readSafetensors, writeSafetensors } from "./safetensors.ts";

const folder = mkdtempSync(join(tmpdir(), "limn-safetensors-"));
after(() => rmSync(folder, { recursive: true }));
const golden = fileURLToPath(
  new URL("../../../../test/goldens/dtypes.safetensors", import.meta.url),
);

function refuses(file: string, message: RegExp): void {
  assert.throws(
    () => readSafetensors(file),
    (error) => {
      assert.ok(error instanceof CheckpointError);
      assert.equal(error.file, file);
      assert.ok(error.message.includes(file), error.message);
      assert.match(error.message, message);
      return true;
    },
  );
}

describe("readSafetensors", () => {
  it("names the file and the cause for one that cannot be read", () => {
    refuses(join(folder, "absent.safetensors"), /there is no such file; check the path/);
    refuses(folder, /check the path and its permissions/);
    const file = join(folder, "damaged.safetensors");
    writeFileSync(file, "");
    refuses(file, /it is empty/);
    writeFileSync(file, "version https://git-lfs.github.com/spec/v1\n");
    refuses(file, /Git LFS pointer/);
    writeFileSync(file, readFileSync(golden));
    truncateSync(file, 2400);
    refuses(file, /cut off at byte/);
    truncateSync(file, 1000);
    refuses(file, /header claims/);
  });

  it("refuses unknown names and closed files", () => {
    const weights = readSafetensors(golden);
    assert.throws(() => weights.tensor("nothing"), /Expected a tensor "nothing" in .*dtypes/);
    weights.close();
    weights.close();
    assert.throws(() => weights.tensor("int8.matrix"), /to be open but it was closed/);
  });

  it("refuses a type that limn does not use, by name", () => {
    const file = join(folder, "complex.safetensors");
    const json = Buffer.from('{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    writeFileSync(file, Buffer.concat([length, json, Buffer.alloc(8)]));
    const weights = readSafetensors(file);
    assert.equal(weights.info("a").dtype, undefined);
    assert.throws(() => weights.tensor("a"), /complex.* "a" has the element type C64/);
    weights.close();
  });

  it("reads every type that the reference writer wrote", () => {
    const weights = readSafetensors(golden);
    assert.equal(weights.metadata["source"], "safetensors.torch.save_file");
    assert.equal(weights.names.length, 30);
    for (const name of weights.names) {
      const [dtype, kind] = name.split(".") as [DType, string];
      scope(() => {
        const tensor = weights.tensor(name);
        assert.equal(tensor.dtype, dtype);
        const odd = dtype === "bool" ? [0, 1, 0, 1, 0, 1] : [0, 1, 2, 3, 4, 5];
        const expected = { matrix: odd, scalar: [1], empty: [] }[kind] ?? [];
        assert.deepEqual([...tensor.toFloat64Array()], expected, name);
        assert.deepEqual(tensor.shape, { matrix: [2, 3], scalar: [], empty: [0, 4] }[kind]);
      });
    }
    weights.close();
  });
});

describe("writeSafetensors", () => {
  it("refuses a name twice and the name of the metadata", () => {
    const x = zeros([1]);
    const file = join(folder, "twice.safetensors");
    const twice: [string, Tensor][] = [
      ["x", x],
      ["x", x],
    ];
    assert.throws(() => writeSafetensors(file, twice), /every name once .* received "x" again/);
    assert.throws(() => writeSafetensors(file, [["__metadata__", x]]), CheckpointError);
    x.dispose();
  });

  it("refuses a folder that does not exist", () => {
    const file = join(folder, "absent", "x.safetensors");
    assert.throws(() => writeSafetensors(file, []), /an existing folder .* received ENOENT/);
  });

  it("gives back equal tensors, views and empty ones included", () => {
    const file = join(folder, "back.safetensors");
    const x = randn([4, 6]);
    const parts: [string, Tensor][] = [
      ["whole", x],
      ["transposed", x.transpose(0, 1)],
      ["half", x.narrow(0, 2, 2)],
      ["bits", x.to("bfloat16")],
      ["ids", fromData(BigInt64Array.of(1n, -(2n ** 62n)))],
      ["none", zeros([0, 3])],
      ["scale", zeros([]).fill_(4.5)],
      ["learned", zeros([2]).setRequiresGrad(true)],
    ];
    writeSafetensors(file, parts, { step: "3" });
    const weights = readSafetensors(file);
    assert.deepEqual(weights.metadata, { format: "pt", step: "3" });
    for (const [name, tensor] of parts) {
      const back = weights.tensor(name);
      assert.deepEqual([back.dtype, back.shape], [tensor.dtype, tensor.shape]);
      assert.deepEqual(back.data(), tensor.data(), name);
    }
    weights.close();
  });

  it("writes the bytes that the reference writes, whatever the order of the entries", () => {
    const file = join(folder, "same.safetensors");
    const weights = readSafetensors(golden);
    const entries = weights.names.map((name): [string, Tensor] => [name, weights.tensor(name)]);
    writeSafetensors(file, entries.reverse(), weights.metadata);
    const again = join(folder, "again.safetensors");
    writeSafetensors(again, entries.reverse(), weights.metadata);
    weights.close();
    assert.deepEqual(readFileSync(file), readFileSync(again));
    const data = (path: string): Buffer => {
      const all = readFileSync(path);
      return all.subarray(8 + Number(all.readBigUInt64LE()));
    };
    assert.deepEqual(data(file), data(golden));
  });
});

describe("mapped reading", () => {
  it("gives the same bits, keeps writes in memory, and outlives the file", () => {
    const copied = readSafetensors(golden);
    const mapped = readSafetensors(golden, { map: true });
    const before = readFileSync(golden);
    for (const name of copied.names) {
      scope(() => {
        const tensor = mapped.tensor(name);
        assert.deepEqual(
          [tensor.dtype, tensor.shape],
          [copied.info(name).dtype, copied.info(name).shape],
        );
        assert.deepEqual(tensor.data(), copied.tensor(name).data(), name);
        if (tensor.count > 0) tensor.fill_(1);
      });
    }
    const kept = mapped.tensor("float32.matrix");
    copied.close();
    mapped.close();
    assert.equal(kept.count, 6);
    assert.throws(() => mapped.tensor("float32.matrix"), /to be open but it was closed/);
    kept.dispose();
    assert.deepEqual(readFileSync(golden), before);
  });

  it("tells of a mapped file that was cut", () => {
    const file = join(folder, "cut.safetensors");
    const [a, b] = [randn([40, 500]), randn([40, 500])];
    writeSafetensors(file, [
      ["a", a],
      ["b", b],
    ]);
    const weights = readSafetensors(file, { map: true });
    const last = weights.tensor("b");
    truncateSync(file, 1000);
    const lost = { code: "LIMN_STORAGE", message: /cut\.safetensors to keep .* was cut to 1000;/ };
    assert.throws(() => last.toFloat32Array(), lost);
    assert.throws(() => last.add(1), lost);
    assert.throws(() => weights.tensor("a"), lost);
    weights.close();
  });

  it("copies tensors that are not aligned", () => {
    const file = join(folder, "unaligned.safetensors");
    const json = Buffer.from(
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},' +
        '"b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}',
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    const numbers = Buffer.from(Float32Array.of(1.5, -2).buffer);
    writeFileSync(file, Buffer.concat([length, json, Buffer.of(7), numbers]));
    using weights = readSafetensors(file, { map: true });
    assert.deepEqual([...weights.tensor("b").toFloat32Array()], [1.5, -2]);
    assert.deepEqual([...weights.tensor("a").data()], [7]);
  });
});
