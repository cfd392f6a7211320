import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { DisposedError, NativeError } from "../errors.ts";
import { addon } from "./binding.ts";
import {
  call,
  callForEffect,
  callMany,
  arange,
  backward,
  cat,
  empty,
  fromData,
  full,
  hasOperator,
  libtorchVersion,
  manualSeed,
  memory,
  noGrad,
  ones,
  operator,
  operatorNames,
  operatorSchema,
  scope,
  setRandomState,
  tensor,
  type Tensor,
  zeros,
} from "./index.ts";
import { reasonOf } from "./native-reason.ts";
import { tensorOperators } from "./tensor-operators.ts";

const add = operator("add", "Tensor");

function nativeError(name: string, message: RegExp): (error: Error) => boolean {
  return (error) =>
    error instanceof NativeError &&
    error.operator === name &&
    error.code === "LIMN_NATIVE" &&
    message.test(error.message);
}

describe("operator misuse", () => {
  it("says which operator this libtorch lacks", () => {
    const missing = operator("no_such_operator", "Tensor");
    assert.equal(hasOperator(missing), false);
    const said = /to have the operator aten::no_such_operator.Tensor but it does not; use a newer/;
    assert.throws(
      () => call(missing, ones([1])),
      nativeError("aten::no_such_operator.Tensor", said),
    );
    assert.throws(() => operatorSchema(missing), NativeError);
    assert.equal(hasOperator(operator("add", "NoSuchOverload")), false);
    assert.equal(hasOperator(operator("nowhere::add")), false);
  });
  it("names operator, shapes, types and libtorch's own reason", () => {
    assert.throws(
      () => ones([2, 3]).mm(ones([4, 5])),
      nativeError(
        "aten::mm",
        /^aten::mm failed on \(\[2, 3\] float32, \[4, 5\] float32\): (mm: )?mat1 and mat2 shapes cannot/,
      ),
    );
    assert.throws(
      () => ones([2]).add(ones([3])),
      (error: Error) => {
        assert.ok(error instanceof NativeError);
        assert.equal((error.cause as { code: string }).code, "NATIVE");
        assert.doesNotMatch(error.message, /frame #|Exception raised from/);
        return true;
      },
    );
  });
  it("refuses arguments that are missing, left over, or of another type", () => {
    assert.throws(() => call(add, ones([1])), /missing argument other/);
    assert.throws(() => call(add, ones([1]), ones([1]), 1, 2), /too many arguments: 4 for 3/);
    assert.throws(() => call(add, ones([1]), null), /missing argument other/);
    assert.throws(
      () => call(add, "text", ones([1])),
      /: Expected a tensor for self but received "text"$/,
    );
    assert.throws(
      () => call(add, ones([1]), ones([1]), "x"),
      /: Expected a number for alpha but received "x"$/,
    );
    assert.throws(
      () => call(operator("sum", "dim_IntList"), ones([1]), 3),
      /: Expected an array for dim but received 3$/,
    );
    assert.throws(
      () => call(operator("cumsum"), ones([1]), [0]),
      /: Expected an integer for dim but received an array$/,
    );
    assert.throws(
      () => call(operator("sum", "dim_IntList"), ones([1]), [0], 1),
      /: Expected a boolean for keepdim but received 1$/,
    );
    assert.throws(
      () => call(operator("gelu"), ones([1]), 3),
      /: Expected a string for approximate but received 3$/,
    );
    assert.throws(
      () => call(operator("relu"), ...Array<number>(40).fill(1)),
      /more than 32 arguments/,
    );
    assert.throws(() => ones([1], { device: "nowhere" }), /nowhere/);
  });
  it("refuses a number that is not an integer, instead of cutting or zeroing it", () => {
    const x = tensor([1, 2, 3]);
    const wrong: [number, string][] = [
      [0.5, "0.5"],
      [NaN, "NaN"],
      [Infinity, "Infinity"],
      [-Infinity, "-Infinity"],
      [2 ** 53, "9007199254740992"],
      [1e300, "1e\\+300"],
    ];
    for (const [value, shown] of wrong) {
      const said = new RegExp(`: Expected an integer for (\\w+) but received ${shown}$`);
      assert.throws(() => x.narrow(0, value, 1), nativeError("aten::narrow", said));
      assert.throws(() => x.reshape(value, 1), nativeError("aten::reshape", said));
      assert.throws(() => x.slice(0, value), nativeError("aten::slice.Tensor", said));
      assert.throws(() => x.sum([value]), nativeError("aten::sum.dim_IntList", said));
    }
    assert.throws(
      () => call(operator("narrow"), x, 0, 1n << 63n, 1),
      /: Expected an integer for start but received 9223372036854775808$/,
    );
    assert.equal(call(operator("narrow"), x, 0, 1n, 1).item(), 2);
    assert.equal(x.narrow(-0, 2, 1).item(), 3);
    assert.throws(() => manualSeed(0.5), /Expected an integer for seed but received 0.5/);
    assert.throws(
      () => fromData(Float32Array.of(1, 2, 3), [1.5, 2]),
      /an integer for shape .* 1.5/,
    );
    for (const handle of [NaN, 0.5, 2 ** 31]) {
      assert.throws(
        () => addon().releaseTensor(handle),
        new RegExp(`^Error: Expected a 32-bit integer for tensor but received ${handle}$`),
      );
      assert.throws(
        () => addon().tensorInfo(handle),
        new RegExp(`^Error: Expected a tensor for tensor but received ${handle}$`),
      );
    }
    for (const code of [-1, 1000, 6.5]) {
      assert.throws(() => addon().tensorFromData(Float32Array.of(1), code, [1]), /for dtype but/);
    }
  });
  it("refuses a number for a tensor and a tensor for a number, handles or not", () => {
    const x = tensor([1, 2]);
    const two = (value: unknown): Tensor => value as Tensor;
    const handle = x.handle;
    assert.throws(
      () => x.matmul(two(handle)),
      nativeError("aten::matmul", /: Expected a tensor for other but received \d+$/),
    );
    assert.throws(() => call(add, handle, x), /: Expected a tensor for self but received \d+$/);
    assert.throws(() => call(add, x, true), /: Expected a tensor for other but received true$/);
    assert.throws(() => call(add, [x], x), /Expected a tensor for self but received an array of t/);
    assert.throws(
      () => call(operator("cumsum"), x, x),
      /: Expected an integer for dim but received a tensor$/,
    );
    assert.throws(
      () => call(operator("add", "Scalar"), x, x),
      /: Expected a number for other but received a tensor$/,
    );
    assert.throws(
      () => call(operator("sum", "dim_IntList"), x, [x]),
      /: Expected an array for dim but received an array of tensors$/,
    );
    assert.throws(
      () => cat([handle, handle].map(two)),
      /Expected tensors for tensors but received/,
    );
    assert.throws(
      () => cat([x, two(handle)]),
      /only tensors beside tensors in a list .* received \d/,
    );
    assert.throws(() => cat(two(x) as unknown as Tensor[]), /an array of tensors for tensors but/);
    assert.throws(() => cat([two(null), x]), /Expected a tensor for tensors but received null$/);
    assert.throws(() => x.index(two(handle)), /Expected tensors for indices but received \d+$/);
    assert.throws(
      () => x.setData(two(handle)),
      /^TypeError: Expected a tensor for source but received \d+$/,
    );
    assert.throws(() => (x.grad = two(5)), /Expected a tensor for grad but received 5$/);
    assert.throws(
      () => x.equals(two([1, 2])),
      /Expected a tensor for other but received an array$/,
    );
    assert.throws(() => x.matmul(two(Object.create(null))), /for other but received an object$/);
    assert.throws(() => setRandomState(two(3)), /Expected a tensor for state but received 3$/);
  });
  it("gives libtorch's reason without its source files and kernels", () => {
    // In the words of this libtorch, which newer ones change.
    const own = (error: Error): boolean =>
      error instanceof NativeError && !/registered at|\.cpp|\n/.test(error.message);
    assert.throws(() => zeros([1], { device: "meta" }).item(), own);
    assert.throws(() => zeros([1], { device: "mps:0" }), own);
    assert.equal(
      reasonOf(
        "Could not run 'aten::mm' with arguments from the 'MPS' backend. This could be because it\n\n" +
          "CPU: registered at ../RegisterCPU.cpp:31034 [kernel]\n",
      ),
      "libtorch has no aten::mm for MPS tensors",
    );
    assert.throws(
      () => empty([2 ** 44]),
      nativeError(
        "aten::empty.memory_format",
        /: can't allocate memory: you tried to allocate \d+/,
      ),
    );
    assert.equal(
      reasonOf('x INTERNAL ASSERT FAILED at "../a.cpp":12, please report a bug to PyTorch. Why'),
      "x libtorch's own check failed. Why",
    );
  });
  it("refuses results of another kind than the call is for, and keeps nothing", () => {
    const x = tensor([[1, 2].length, 5]);
    const before = memory().tensors;
    assert.throws(
      () => call(operator("size", "int"), x, 0),
      nativeError("aten::size.int", /^Expected one tensor as the result of .* but received 2; see/),
    );
    assert.throws(() => call(operator("is_nonzero"), tensor(1)), /one tensor .* received true;/);
    assert.throws(() => call(operator("topk"), x, 1), /received \[one tensor, one tensor\];/);
    assert.throws(() => callMany(operator("relu"), x), /several tensors .* received one tensor;/);
    scope(() => callForEffect(operator("topk"), x, 1));
    assert.equal(memory().tensors, before + 1, "the tensor of the second call alone");
  });
  it("refuses what libtorch would end the process on", () => {
    const x = zeros([1, 2, 4, 4]);
    const refused: [string, string, RegExp, unknown[]][] = [
      ["max_unpool2d", "", /a list of 2 for output_size but received one of 0$/, [x, x, []]],
      ["reflection_pad2d_backward", "", /a list of 4 for padding .* one of 3$/, [x, x, [1, 1, 1]]],
      ["max_pool2d", "", /a list of 2 for kernel_size but received one of 3$/, [x, [2, 2, 2]]],
      ["native_channel_shuffle", "", /an integer from 1 to 65535 for groups$/, [x, 0]],
      ["pixel_shuffle", "", /from 1 to 65535 for upscale_factor$/, [x, 2 ** 40]],
      [
        "adaptive_max_pool2d_backward",
        "",
        /the shape of grad_output, in int64, for indices$/,
        [x, x, zeros([3], { dtype: "int64" })],
      ],
      [
        "adaptive_max_pool2d_backward",
        "",
        /places in self for indices$/,
        [x, x, full([1, 2, 4, 4], 16, { dtype: "int64" })],
      ],
      [
        "embedding_bag",
        "",
        /one or two dimensions for indices$/,
        [ones([4, 1]), zeros([], { dtype: "int64" }), arange(4)],
      ],
      ["align_tensors", "", /at least one tensor for tensors$/, [[]]],
      ["matrix_exp_backward", "", /square matrices for self$/, [tensor(1), tensor(1)]],
      ["histogramdd", "", /one entry a dimension for bins$/, [x, []]],
      [
        "choose_qparams_optimized",
        "",
        /number of elements of input for numel$/,
        [x, -1, 2, 0.5, 8],
      ],
      ["batch_norm_update_stats", "", /not empty for input$/, [zeros([1, 0, 4]), null, null, 0.1]],
      [
        "batch_norm_update_stats",
        "",
        /one number a channel for running_mean$/,
        [x, zeros([1]), zeros([2]), 0.1],
      ],
      ["fbgemm_pack_quantized_matrix", "", /limn does not offer this operator/, [x]],
    ];
    for (const [name, overload, message, operands] of refused) {
      const op = operator(name, overload);
      if (!hasOperator(op)) continue;
      assert.throws(() => callMany(op, ...(operands as Tensor[])), nativeError(op.name, message));
    }
    const pool = operator("max_pool2d");
    for (const kernel of [[2, 2], [2]]) {
      for (const stride of [undefined, [], [2], [2, 2]]) {
        assert.deepEqual(call(pool, x, kernel, stride).shape, [1, 2, 2, 2]);
      }
    }
  });
  it("names the overloads that there are", () => {
    assert.throws(
      () => call(operator("cumsum", "Dim"), ones([1])),
      /to have the operator aten::cumsum\.Dim .* It has the overloads "", .* of aten::cumsum\.$/,
    );
    assert.throws(() => call(operator("cumsumm"), ones([1])), /Did you mean "aten::cumsum"\?/);
    assert.ok(operatorNames().includes("aten::add.Tensor"));
  });
  it("says in every refusal what was expected and received", () => {
    const data = new DataView(new ArrayBuffer(4)) as ArrayBufferView;
    assert.throws(
      () => addon().tensorFromData(data, 6, [1]),
      /a typed array for data but received a/,
    );
    assert.throws(
      () => addon().attachBackward([], [], 3 as never),
      /^Error: Expected a function for backward but received 3$/,
    );
    for (const call of [
      () => addon().findOperator(3 as never, ""),
      () => addon().seed(3 as never, 1),
      () => addon().setGradMode(1 as never),
      () => addon().setAutocast("cpu", true, NaN),
      () => addon().deviceCount(null as never),
      () => addon().setThreadCount(1.5),
      () => addon().readFile(tensor(1).handle, 0.5, 0),
      () => addon().readFile(tensor(1).handle, 0, NaN),
      () => addon().backward(3 as never, null, false, false),
      () => addon().operatorSchema(NaN),
    ]) {
      assert.throws(call, /^Error: Expected [\w -]+ for \w+ but received .+$/);
    }
  });
  it("refuses disposed tensors by a class of their own", () => {
    const gone = ones([2]);
    gone.dispose();
    assert.throws(() => ones([2]).add(gone), DisposedError);
    assert.throws(() => callMany(operator("split", "Tensor"), gone, 1), DisposedError);
    assert.throws(() => callForEffect(operator("_foreach_sqrt_"), [gone]), DisposedError);
  });
  it("refuses handles that this environment does not know", () => {
    const op = addon().findOperator("aten::relu", "");
    for (const handle of [-1, 1 << 30]) {
      assert.throws(() => addon().callOperator(op, 1, handle), /internal: tensor handle/);
    }
    assert.throws(() => addon().releaseTensor(1 << 30), /internal: tensor handle/);
    assert.throws(() => addon().callOperator(1 << 30, 0), /vector|range/);
  });
  it("shortens long lists of operands in its message", () => {
    const many = Array.from({ length: 20 }, () => ones([2]));
    assert.throws(() => call(operator("cat"), many, 5), /\[2\] float32, 12 more\], 5\)/);
  });
});

describe("operator", () => {
  it("takes lists longer than the memory that operands are written to", () => {
    scope(() => {
      const many = Array.from({ length: 5000 }, (_, i) => full([1], i));
      assert.deepEqual(cat(many).data(), Float32Array.from(many.keys()));
      assert.equal(ones([1]).expand(...Array<number>(60).fill(1)).rank, 60);
    });
  });
  it("has a graph notice what was changed without gradients, and gives views of it", () => {
    scope(() => {
      const x = ones([2, 2]).setRequiresGrad(true);
      const saved = x.exp();
      noGrad(() => void saved.view(-1).narrow(0, 0, 1).add_(1));
      assert.throws(() => backward(saved.sum()), nativeError("backward", /inplace operation/));
      const [product, view] = noGrad(() => [x.mul(2), x.view(4)] as const);
      assert.ok(!product.requiresGrad);
      noGrad(() => void view.add_(1));
      assert.deepEqual([...x.data()], [2, 2, 2, 2]);
    });
  });
  it("prints the schema of what it found", () => {
    assert.match(
      operatorSchema(add),
      /^aten::add\.Tensor\(Tensor self, Tensor other, \*, Scalar a/,
    );
    assert.match(libtorchVersion(), /^\d+\.\d+\.\d+$/);
  });
  it("takes the schema's defaults where arguments are left out or undefined", () => {
    assert.equal(call(add, tensor(1), tensor(2)).item(), 3);
    assert.equal(call(add, tensor(1), tensor(2), undefined).item(), 3);
    assert.equal(call(add, tensor(1), tensor(2), 10).item(), 21);
  });
  it("knows every operator that a method of Tensor stands for", () => {
    for (const op of Object.values(tensorOperators)) {
      assert.ok(hasOperator(op), `${op.name} ${op.overload}`);
    }
  });
  it("keeps integers integers and the sign of zero", () => {
    const whole = tensor([5]).to("int64");
    assert.equal(whole.add(2).dtype, "int64");
    assert.equal(whole.mul(0.5).dtype, "float32");
    assert.equal(tensor(1).mul(-0).item(), -0);
    assert.equal(
      tensor(1)
        .mul(2 ** 60)
        .item(),
      2 ** 60,
    );
    assert.equal(tensor(1).mul(-Infinity).item(), -Infinity);
    assert.ok(Number.isNaN(tensor(1).mul(NaN).item()));
  });
  it("takes lists of tensors, of scalars, and of optional tensors", () => {
    const pair = [tensor([1, 2]), tensor([3])];
    callForEffect(operator("_foreach_div_", "ScalarList"), pair, [2, 0.5]);
    assert.deepEqual([...(pair[0]?.data() ?? [])], [0.5, 1]);
    assert.deepEqual([...(pair[1]?.data() ?? [])], [6]);
    const table = tensor([1, 2, 3, 4]).reshape(2, 2);
    const column = tensor([1]).to("int64");
    assert.deepEqual([...table.index(null, column).data()], [2, 4]);
    assert.equal(callMany(operator("_foreach_sqrt"), pair).length, 2);
  });
  it("gives several results", () => {
    const [values, indices] = tensor([3, 1, 2]).topk(2);
    assert.deepEqual([...values.data()], [3, 2]);
    assert.deepEqual([...indices.data()], [0n, 2n]);
  });
});

describe("addon", () => {
  it("exports what binding.ts declares, no more and no less", () => {
    const source = new URL("../../../src/torch/binding.ts", import.meta.url);
    const body = /export interface Addon \{([^]*?)\n\}/.exec(readFileSync(source, "utf8"))?.[1];
    const declared = [...(body ?? "").matchAll(/^ {2}(\w+)\(/gm)].map((match) => match[1]);
    assert.ok(declared.length > 20);
    assert.deepEqual(new Set(Object.keys(addon())), new Set(declared));
  });
});
