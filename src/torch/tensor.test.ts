import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DisposedError, NativeError } from "../errors.ts";
import { addon } from "./binding.ts";
import {
  arange,
  dtypeBytes,
  empty,
  fromData,
  full,
  isFloating,
  memory,
  ones,
  randn,
  scope,
  tensor,
  Tensor,
  zeros,
  type DType,
  type TensorData,
} from "./index.ts";

describe("Tensor misuse", () => {
  it("refuses shapes that do not fit the data", () => {
    assert.throws(() => fromData(new Float32Array(5), [2, 3]), /Expected 6 elements .*received 5/);
    assert.throws(() => fromData(new Float32Array(6), [-2, -3]), NativeError);
    assert.throws(
      () => fromData(new Float32Array(3), [1.5, 2]),
      /an integer for shape but received/,
    );
    assert.throws(() => ones([2, 2]).size(2), /Expected dim for \[2, 2\] but received 2/);
    assert.throws(() => ones([2]).copyInto(new Float32Array(3)), /copyInto failed on \(\[2\]/);
    assert.throws(() => fromData(new Uint16Array(1)), /float16|bfloat16/);
  });
  it("refuses an array whose bits would be read as other numbers", () => {
    const other = (dtype: DType, data: unknown): (() => unknown) => {
      return () => fromData(data as TensorData, [1], { dtype });
    };
    const wanted =
      /^TypeError: Expected a \w+Array for elements of \w+ but received a \w+Array, whose/;
    assert.throws(other("int64", Float32Array.of(1)), wanted);
    assert.throws(other("float32", Int32Array.of(1)), wanted);
    assert.throws(other("int64", BigUint64Array.of(1n)), wanted);
    assert.throws(() => ones([2]).copyInto(new Int32Array(2)), wanted);
    const none = /^TypeError: Expected a typed array for data but received an? /;
    assert.throws(other("uint8", new DataView(new ArrayBuffer(1))), none);
    assert.throws(() => fromData([1] as unknown as TensorData), none);
    assert.throws(
      () => fromData(new Uint32Array(1) as unknown as TensorData),
      /a Uint32Array; copy/,
    );
    const gone = new Float32Array(2);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    assert.throws(() => fromData(gone, [2]), /Expected 2 elements .* but received 0/);
  });
  it("refuses what is no number, uneven rows, and numbers that the dtype does not hold", () => {
    const make = (values: unknown, dtype: DType = "float32"): (() => unknown) => {
      return () => tensor(values as number[], { dtype });
    };
    for (const values of [["1"], [undefined], [null], [1n], [[1], [[2]]], "12", {}, [true]]) {
      assert.throws(make(values), /^(TypeError|RangeError): Expected (numbers|arrays) /);
    }
    assert.throws(
      make([[1, 2], [3]]),
      /Expected arrays of 2 for dimension 1 but received one of 1/,
    );
    assert.throws(make([[1], 3]), /Expected arrays of 1 for dimension 1 but received 3;/);
    for (const value of [NaN, Infinity, 1.5, 128, -129]) {
      assert.throws(make([0, value], "int8"), /Expected integers from -128 to 127 for int8 but/);
    }
    assert.throws(make([2 ** 53 + 2], "int64"), /for int64 but received 9007199254740994/);
    assert.throws(
      make([1], "float33" as DType),
      /Expected one of uint8, .* but received "float33"/,
    );
    const options = { dtyp: "int64" } as never;
    for (const use of [() => zeros([1], options), () => tensor(1, options)]) {
      assert.throws(use, /Expected dtype or device as an option of a tensor but received "dtyp"/);
    }
    assert.throws(() => fromData(BigInt64Array.of(2n ** 53n + 1n)).item(), /data\(\) is exact/);
  });
  it("refuses to give one value of many, naming the tensor", () => {
    assert.throws(
      () => ones([2]).item(),
      (error: Error) =>
        error instanceof NativeError && /item failed on \(\[2\]/.test(error.message),
    );
  });
  it("fails clearly in every use after it was disposed", () => {
    const gone = ones([2]);
    gone.dispose();
    gone.dispose();
    assert.ok(gone.disposed);
    assert.equal(gone.toString(), "disposed tensor");
    const uses: (() => unknown)[] = [
      () => gone.shape,
      () => gone.dtype,
      () => gone.data(),
      () => gone.item(),
      () => gone.add(1),
      () => gone.add_(1),
      () => gone.grad,
      () => gone.requiresGrad,
      () => ones([2]).copy_(gone),
    ];
    for (const use of uses) {
      assert.throws(use, (error: Error) => {
        assert.ok(error instanceof DisposedError);
        assert.match(error.message, /live tensor but received a disposed one; keep\(\) it/);
        return true;
      });
    }
  });
  it("keeps shape and type of a tensor readable by name before and not after", () => {
    const known = ones([2]);
    assert.deepEqual(known.shape, [2]);
    known.dispose();
    assert.throws(() => known.shape, DisposedError);
  });
});

const samples: [DType, TensorData, number[]][] = [
  ["float32", Float32Array.of(1.5, -2, 1e30), [1.5, -2, Math.fround(1e30)]],
  ["float64", Float64Array.of(0.1, -2, 1e300), [0.1, -2, 1e300]],
  ["float16", Uint16Array.of(0x3c00, 0xc000, 0x3555), [1, -2, 0.333251953125]],
  ["bfloat16", Uint16Array.of(0x3f80, 0xc000, 0x3eab), [1, -2, 0.333984375]],
  ["int64", BigInt64Array.of(1n, -2n, 1n << 40n), [1, -2, 2 ** 40]],
  ["int32", Int32Array.of(1, -2, 2 ** 31 - 1), [1, -2, 2 ** 31 - 1]],
  ["int16", Int16Array.of(1, -2, 32767), [1, -2, 32767]],
  ["int8", Int8Array.of(1, -2, 127), [1, -2, 127]],
  ["uint8", Uint8Array.of(1, 2, 255), [1, 2, 255]],
  ["bool", Uint8Array.of(1, 0, 1), [1, 0, 1]],
];

describe("fromHandle", () => {
  it("refuses a handle that has an owner, or that is not alive", () => {
    const given = addon().randomState("cpu");
    const first = Tensor.fromHandle(given);
    const owned = /Expected a handle that no tensor owns but received \d+, which has an owner; use/;
    assert.throws(() => Tensor.fromHandle(given), owned);
    assert.throws(() => Tensor.fromHandle(first.handle), owned);
    first.dispose();
    for (const handle of [given, -1, 1e6, 0.5, NaN, 2 ** 40]) {
      assert.throws(() => Tensor.fromHandle(handle), /not alive|Expected a tensor for tensor/);
    }
    const again = Tensor.fromHandle(addon().randomState("cpu"));
    again.dispose();
    again.dispose();
  });
});

describe("element types", () => {
  for (const [dtype, data, values] of samples) {
    it(`${dtype} goes to libtorch and back, bit for bit`, () => {
      const made = fromData(data, [3], { dtype });
      assert.equal(made.dtype, dtype);
      assert.deepEqual(made.data(), data);
      assert.deepEqual([...made.toFloat64Array()], values);
      assert.equal(made.select(0, 1).item(), values[1]);
      assert.equal(data.byteLength, 3 * dtypeBytes(dtype));
      assert.equal(made.to("float64").dtype, "float64");
      assert.deepEqual(made.to("float64").to(dtype).data(), data);
      assert.equal(isFloating(dtype), dtype.includes("float"));
    });
  }
  it("rounds to bfloat16 to the nearest even", () => {
    const half = tensor([1 + 1 / 256, 1 + 3 / 256]).to("bfloat16");
    assert.deepEqual([...half.toFloat32Array()], [1, 1 + 4 / 256]);
  });
  it("makes any byte but 0 true", () => {
    const made = fromData(Uint8Array.of(2, 0, 255), [3], { dtype: "bool" });
    assert.deepEqual([...made.data()], [1, 0, 1]);
    assert.equal(
      made
        .eq(ones([3]).to("bool"))
        .sum()
        .item(),
      2,
    );
  });
  it("takes nested arrays", () => {
    const made = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    assert.deepEqual(made.shape, [2, 3]);
    assert.deepEqual([...made.data()], [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(tensor([[[1], [2]]], { dtype: "int64" }).shape, [1, 2, 1]);
    assert.deepEqual(tensor([[], []]).shape, [2, 0]);
    assert.deepEqual(
      [...tensor([Float32Array.of(1, 2), Float64Array.of(3, 4)]).data()],
      [1, 2, 3, 4],
    );
  });
  it("takes empty tensors and scalars", () => {
    assert.deepEqual([...fromData(new Float32Array(0), [0, 3]).data()], []);
    assert.deepEqual(tensor(3).shape, []);
    assert.equal(tensor(3).item(), 3);
    assert.equal(empty([2, 0]).count, 0);
  });
});

describe("exchange with JavaScript", () => {
  it("copies: neither side sees later changes of the other", () => {
    const source = Float32Array.of(1, 2);
    const made = fromData(source);
    source[0] = 9;
    assert.equal(made.select(0, 0).item(), 1);
    made.data()[0] = 7;
    assert.equal(made.select(0, 0).item(), 1);
  });
  it("reads from and writes to a SharedArrayBuffer, at an offset", () => {
    const shared = new SharedArrayBuffer(40);
    const input = new Float32Array(shared, 8, 4);
    input.set([1, 2, 3, 4]);
    const output = new Float32Array(shared, 24, 4);
    fromData(input, [2, 2]).t().copyInto(output);
    assert.deepEqual([...output], [1, 3, 2, 4]);
    assert.deepEqual([...new Float32Array(shared, 0, 2)], [0, 0]);
  });
  it("writes views row-major", () => {
    const table = arange(6).reshape(2, 3);
    assert.deepEqual([...table.t().data()], [0n, 3n, 1n, 4n, 2n, 5n]);
    assert.deepEqual([...table.slice(1, 0, null, 2).toFloat32Array()], [0, 2, 3, 5]);
  });
});

describe("views", () => {
  it("share memory with what they are views of", () => {
    const base = zeros([2, 3]);
    const views = {
      row: base.select(0, 1),
      column: base.narrow(1, 2, 1),
      transposed: base.t(),
      flat: base.view(-1),
      same: base.detach(),
    };
    base.select(0, 1).fill_(5);
    views.column.add_(1);
    assert.deepEqual([...base.data()], [0, 0, 1, 5, 5, 6]);
    assert.deepEqual([...views.row.data()], [5, 5, 6]);
    assert.deepEqual([...views.transposed.data()], [0, 5, 0, 5, 1, 6]);
    assert.deepEqual([...views.flat.data()], [...views.same.data()]);
  });
  it("outlive the handle they came from", () => {
    const base = tensor([1, 2, 3]);
    const view = base.narrow(0, 1, 2);
    base.dispose();
    assert.deepEqual([...view.data()], [2, 3]);
  });
  it("are counted once in bytes", () => {
    const before = memory();
    const base = zeros([100]);
    const view = base.narrow(0, 0, 10);
    assert.deepEqual(memory(), { tensors: before.tensors + 2, bytes: before.bytes + 400 });
    base.dispose();
    assert.equal(memory().bytes, before.bytes + 400);
    view.dispose();
    assert.deepEqual(memory(), before);
  });
});

describe("operations", () => {
  it("chain", () => {
    const x = tensor([1, 2, 3, 4]).reshape(2, 2);
    assert.deepEqual([...x.mm(x).add(1).div(2).data()], [4, 5.5, 8, 11.5]);
    assert.deepEqual([...x.sub(x.mean()).abs().amax(1).data()], [1.5, 1.5]);
    assert.equal(x.softmax(1).sum().item(), 2);
    assert.deepEqual([...x.gt(2).data()], [0, 0, 1, 1]);
    assert.deepEqual([...x.argmax(1).data()], [1n, 1n]);
    assert.deepEqual(
      [
        ...full([2], 3)
          .maximum(tensor([2, 4]))
          .data(),
      ],
      [3, 4],
    );
  });
  it("change in place and hand the same tensor back", () => {
    const x = ones([2]);
    const before = memory().tensors;
    assert.equal(
      x
        .add_(2)
        .mul_(tensor([1, 2]))
        .clamp_(null, 5),
      x,
    );
    assert.deepEqual([...x.data()], [3, 5]);
    assert.equal(memory().tensors, before + 1);
  });
  it("compare by shape and value", () => {
    assert.ok(ones([2]).equals(ones([2])));
    assert.ok(!ones([2]).equals(ones([1, 2])));
    assert.ok(!ones([2]).equals(zeros([2])));
    const [a, b] = [ones([2]), ones([2])];
    const before = memory().tensors;
    assert.ok(a.equals(b));
    assert.equal(memory().tensors, before, "comparing leaves nothing behind");
  });
  it("take over another tensor's memory", () => {
    const x = zeros([2]).setRequiresGrad(true);
    scope(() => x.setData(randn([3, 4])));
    assert.deepEqual(x.shape, [3, 4]);
    assert.ok(x.isLeaf && x.requiresGrad);
  });
});
