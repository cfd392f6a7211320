import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NativeError } from "../errors.ts";
import { assertClose } from "../../test/support/close.ts";
import {
  autocast,
  backward,
  checkpoint,
  conv2d,
  crossEntropy,
  embedding,
  fromData,
  grad,
  layerNorm,
  linear,
  manualSeed,
  noGrad,
  ones,
  randn,
  scope,
  tensor,
  withGrad,
  type Shape,
  type Tensor,
} from "./index.ts";

const leaf = (values: number[]): Tensor => tensor(values).setRequiresGrad(true);
const wide = (...shape: number[]): Tensor =>
  randn(shape, { dtype: "float64" }).setRequiresGrad(true);

describe("autograd misuse", () => {
  it("says what cannot be differentiated", () => {
    assert.throws(
      () => backward(ones([2]).sum()),
      (error: Error) =>
        error instanceof NativeError &&
        error.operator === "backward" &&
        /backward failed on \(\[\[\] float32\]\): .*does not require grad/.test(error.message),
    );
    assert.throws(() => backward(leaf([1, 2]).mul(2)), /grad can be implicitly created only for/);
    assert.throws(() => grad(ones([]), [leaf([1])]), /grad failed on/);
    assert.throws(() => tensor([1]).to("int64").setRequiresGrad(true), /floating point/);
    assert.throws(
      () => (leaf([1]).grad = ones([2])),
      /setGradient failed on \(\[1\] float32, \[2\] float32\): a gradient has/,
    );
  });
  it("refuses a second pass through a freed graph, and a change of what it needs", () => {
    const x = leaf([2]);
    const y = x.pow(2).sum();
    backward(y);
    assert.throws(() => backward(y), /backward through the graph a second time/);
    const squared = x.mul(1).pow(2);
    const root = squared.sqrt();
    noGrad(() => root.add_(1));
    assert.throws(() => backward(root.sum()), /modified by an inplace operation/);
    assert.throws(() => leaf([1]).add_(1), /leaf Variable that requires grad/);
  });
});

describe("backward and grad", () => {
  it("equal the derivative by hand", () => {
    const [x, y] = [leaf([2, 3]), leaf([5, 7])];
    backward(x.pow(2).mul(y).sum());
    assert.deepEqual([...(x.grad?.data() ?? [])], [20, 42]);
    assert.deepEqual([...(y.grad?.data() ?? [])], [4, 9]);
  });
  it("accumulate, take outer gradients, and keep the graph when asked", () => {
    const x = leaf([1, 2]);
    const y = x.mul(3);
    backward(y, tensor([1, 10]), { retainGraph: true });
    backward(y, tensor([1, 10]));
    assert.deepEqual([...(x.grad?.data() ?? [])], [6, 60]);
    x.grad = null;
    assert.equal(x.grad, null);
  });
  it("give null where an input does not matter, and leave grad alone", () => {
    const [x, idle] = [leaf([3]), leaf([1])];
    const [gx, none] = grad(x.pow(2).sum(), [x, idle]);
    assert.equal(gx?.item(), 6);
    assert.equal(none, null);
    assert.equal(x.grad, null);
  });
  it("differentiate a second time through createGraph", () => {
    const x = leaf([3]);
    const [first] = grad(x.pow(3).sum(), [x], { createGraph: true });
    const [second] = grad((first as Tensor).sum(), [x]);
    assert.deepEqual([first?.item(), second?.item()], [27, 18]);
  });
});

/** Compares `grad` with central differences in float64, element by element. */
function checkGradient(f: (...inputs: Tensor[]) => Tensor, inputs: Tensor[]): void {
  const weights = scope(() =>
    f(...inputs)
      .mul(0)
      .add(1)
      .detach(),
  );
  const value = (): number =>
    scope(() =>
      noGrad(() =>
        f(...inputs)
          .mul(weights)
          .sum()
          .item(),
      ),
    );
  backward(
    f(...inputs)
      .mul(weights)
      .sum(),
  );
  const h = 1e-6;
  for (const [k, input] of inputs.entries()) {
    const flat = noGrad(() => input.detach().view(-1));
    const numeric = Array.from({ length: flat.count }, (_, i) => {
      const at = flat.select(0, i);
      at.add_(h);
      const above = value();
      at.add_(-2 * h);
      const below = value();
      at.add_(h);
      return (above - below) / (2 * h);
    });
    // Differences of h = 1e-6 leave about 1e-10 of rounding and h^2 of truncation.
    assertClose(input.grad?.toFloat64Array() ?? [], numeric, { rtol: 1e-6, atol: 1e-8 }, `${k}`);
  }
}

describe("gradients equal central differences", () => {
  manualSeed(4);
  const ids = fromData(BigInt64Array.of(2n, 0n, 2n), [3]);
  const cases: [string, (...inputs: Tensor[]) => Tensor, Shape[]][] = [
    ["linear", (x, w, b) => linear(x, w, b), [[3, 4], [2, 4], [2]]],
    ["layerNorm", (x, w, b) => layerNorm(x, w, b), [[3, 5], [5], [5]]],
    [
      "conv2d",
      (x, w) => conv2d(x, w, null, { stride: 2 }),
      [
        [1, 2, 4, 4],
        [3, 2, 2, 2],
      ],
    ],
    ["embedding", (w) => embedding(w, ids).pow(2), [[4, 3]]],
    ["crossEntropy", (x) => crossEntropy(x, ids), [[3, 4]]],
    ["gelu", (x) => x.gelu().add(x.gelu("tanh")), [[6]]],
    ["softmax", (x) => x.softmax(1).pow(2), [[3, 4]]],
    ["norm", (x) => x.div(x.norm([1], true)).pow(3), [[3, 4]]],
    ["logsumexp", (x) => x.logsumexp(0).mul(x.sigmoid().log()), [[4]]],
    ["views", (x) => x.t().narrow(0, 1, 2).permute(1, 0).unsqueeze(0).pow(2), [[2, 3]]],
  ];
  for (const [name, f, shapes] of cases) {
    it(name, () =>
      checkGradient(
        f,
        shapes.map((shape) => wide(...shape)),
      ),
    );
  }
});

describe("modes", () => {
  it("autocast for another device in between leaves the outer ones on", () => {
    const [x, w] = [randn([4, 8]), randn([8, 8])];
    autocast("cpu", () => {
      autocast("cuda:0", () => {
        autocast("cpu", () => assert.equal(x.mm(w).dtype, "bfloat16"));
        assert.equal(x.mm(w).dtype, "bfloat16");
      });
      assert.equal(x.mm(w).dtype, "bfloat16");
    });
    assert.equal(x.mm(w).dtype, "float32");
  });
  it("checkpoint repeats every autocast that is on, not the innermost only", () => {
    const w = randn([8, 8]).setRequiresGrad(true);
    const seen: string[] = [];
    const output = autocast("cpu", () =>
      autocast("cuda:0", () =>
        checkpoint(randn([4, 8]), [w], (h) => {
          const product = h.mm(w);
          seen.push(product.dtype);
          return product;
        }),
      ),
    );
    backward(output.to("float32").sum());
    assert.deepEqual(seen, ["bfloat16", "bfloat16"]);
  });
  it("noGrad records nothing, withGrad does again, and both end with their body", () => {
    const x = leaf([1]);
    assert.ok(!noGrad(() => x.mul(2)).requiresGrad);
    assert.ok(noGrad(() => withGrad(() => x.mul(2))).requiresGrad);
    assert.throws(() => noGrad(() => assert.fail("stop")), /stop/);
    assert.ok(x.mul(2).requiresGrad);
    assert.ok(!x.mul(2).isLeaf);
  });
  it("detach shares memory and cuts the graph", () => {
    const x = leaf([1, 2]);
    const cut = x.detach();
    assert.ok(!cut.requiresGrad);
    backward(x.mul(cut).sum());
    assert.deepEqual([...(x.grad?.data() ?? [])], [1, 2]);
    cut.fill_(9);
    assert.deepEqual([...x.data()], [9, 9]);
  });
  it("autocast computes products in bfloat16 and is restored, also after an error", () => {
    const [x, w] = [randn([4, 8]), randn([8, 8]).setRequiresGrad(true)];
    const product = autocast("cpu", () => {
      assert.equal(autocast("cpu", () => x.mm(w)).dtype, "bfloat16");
      assert.equal(x.add(x).dtype, "float32");
      return x.mm(w);
    });
    assert.equal(product.dtype, "bfloat16");
    assert.equal(x.mm(w).dtype, "float32");
    assert.throws(() => autocast("cpu", () => assert.fail("stop")), /stop/);
    assert.equal(x.mm(w).dtype, "float32");
    assert.equal(autocast(undefined, () => x.mm(w)).dtype, "float32");
    backward(product.to("float32").sum());
    assert.equal(w.grad?.dtype, "float32");
    // bfloat16 has 8 bits, and each of the 8 products is rounded once.
    assertClose(product.toFloat32Array(), x.mm(w).toFloat32Array(), { rtol: 0.02, atol: 0.05 });
  });
});
