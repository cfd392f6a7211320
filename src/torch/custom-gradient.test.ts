import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import {
  autocast,
  backward,
  checkpoint,
  customGradient,
  dropout,
  grad,
  linear,
  manualSeed,
  memory,
  ones,
  randn,
  randomState,
  runBackwardElsewhere,
  scope,
  setRandomState,
  tensor,
  type Tensor,
} from "./index.ts";

const leaf = (values: number[]): Tensor => tensor(values).setRequiresGrad(true);

for (const elsewhere of [false, true]) {
  describe(`customGradient, ${elsewhere ? "beside" : "on"} the JavaScript thread`, () => {
    afterEach(() => runBackwardElsewhere(false));
    const run = (body: () => void): (() => void) => {
      return () => {
        runBackwardElsewhere(elsewhere);
        body();
      };
    };
    const square = (x: Tensor): Tensor => {
      const saved = x.detach().keep();
      const backwardOfSquare = ([g]: (Tensor | null)[]): Tensor[] => [
        (g as Tensor).mul(saved).mul(2),
      ];
      return customGradient([x], () => [x.pow(2)], backwardOfSquare)[0] as Tensor;
    };
    it(
      "give the gradient, also in a chain and inside scopes",
      run(() => {
        const x = leaf([2, 3]);
        scope(() => backward(square(square(x).mul(2)).sum()));
        assert.deepEqual([...(x.grad?.data() ?? [])], [128, 432]);
      }),
    );
    it(
      "refuse what is no gradient, saying what was received",
      run(() => {
        for (const [given, message] of [
          [5, /Expected an array for the result of a backward function but received 5/],
          [[3], /Expected a tensor for the result of a backward function but received 3/],
          [[undefined], /Expected a tensor for the result .* but received undefined/],
          [[], /a backward function gave 0 gradients for 1 inputs/],
          [[tensor([1, 2, 3])], /Function of customGradient\(\) returned an invalid gradient/],
        ] as const) {
          const x = leaf([2, 3]);
          const [y] = customGradient(
            [x],
            () => [x.mul(2)],
            () => given as never,
          );
          assert.throws(() => backward((y as Tensor).sum()), message);
          assert.equal(x.grad, null);
        }
      }),
    );
    it(
      "see no gradient recorded and do not leak",
      run(() => {
        const x = leaf([2]);
        const once = (): void =>
          scope(() => {
            const [y] = customGradient(
              [x],
              () => [x.mul(2)],
              ([g]) => {
                assert.ok(!x.mul(2).requiresGrad);
                return [(g as Tensor).mul(2)];
              },
            );
            backward((y as Tensor).sum());
          });
        once();
        const before = memory().tensors;
        for (let i = 0; i < 20; i++) once();
        assert.equal(memory().tensors, before);
        assert.equal(x.grad?.item(), 42);
      }),
    );
    it(
      "take several inputs and outputs, null where there is none",
      run(() => {
        const [a, b, idle] = [leaf([2]), leaf([3]), tensor([4])];
        const seen: (number | null)[][] = [];
        const [sum] = customGradient(
          [a, idle, b],
          () => [a.add(b), a.mul(b)],
          (gradients) => {
            seen.push(gradients.map((g) => g?.item() ?? null));
            return [gradients[0] ?? null, null, (gradients[0] as Tensor).mul(10)];
          },
        ) as [Tensor, Tensor];
        backward(sum.sum());
        assert.deepEqual(seen, [[1, null]]);
        assert.deepEqual([a.grad?.item(), b.grad?.item()], [1, 10]);
      }),
    );
    it(
      "pass their errors on, and the engine goes on working",
      run(() => {
        const x = leaf([2]);
        const failing = (result: () => (Tensor | null)[]): (() => void) => {
          return () => backward(customGradient([x], () => [x.mul(2)], result).map((y) => y.sum()));
        };
        const own = new RangeError("mine");
        assert.throws(
          failing(() => {
            throw own;
          }),
          (error) => error === own,
        );
        assert.throws(
          failing(() => []),
          /a backward function gave 0 gradients for 1 inputs/,
        );
        assert.throws(() => {
          const pair = leaf([1, 2]);
          const [y] = customGradient(
            [pair],
            () => [pair.mul(2)],
            () => [ones([3])],
          );
          backward((y as Tensor).sum());
        }, /invalid gradient at index 0 - got \[3\] but expected shape compatible with \[2\]/);
        backward(square(x).sum());
        assert.equal(x.grad?.item(), 4);
      }),
    );
    it(
      "leave an input alive that forward hands back as an output",
      run(() => {
        const x = leaf([2]);
        const [same, twice] = customGradient(
          [x],
          () => [x, x.mul(2)],
          ([a, b]) => [(a as Tensor).add((b as Tensor).mul(2))],
        ) as [Tensor, Tensor];
        assert.ok(!x.disposed);
        assert.notEqual(same, x);
        backward(same.add(twice).sum());
        assert.deepEqual([x.item(), x.grad?.item()], [2, 3]);
      }),
    );
    it(
      "are skipped where no input needs a gradient",
      run(() => {
        const x = tensor([2]);
        const [y] = customGradient(
          [x],
          () => [x.mul(2)],
          () => assert.fail(),
        );
        assert.ok(!(y as Tensor).requiresGrad);
      }),
    );
  });

  describe(`checkpoint, ${elsewhere ? "beside" : "on"} the JavaScript thread`, () => {
    afterEach(() => runBackwardElsewhere(false));

    interface Outcome {
      output: unknown;
      gradients: unknown[];
      random: unknown;
    }

    /** A chain of three blocks with dropout, checkpointed or not, from the same state. */
    function chain(checkpointed: boolean, mixed: boolean): Outcome {
      manualSeed(5);
      const x = randn([6, 8]).setRequiresGrad(true);
      const weights = Array.from({ length: 3 }, () => randn([8, 8]).setRequiresGrad(true));
      const state = randomState();
      setRandomState(state);
      const output = autocast(mixed ? "cpu" : undefined, () => {
        let h = x;
        for (const weight of weights) {
          const block = (input: Tensor): Tensor =>
            dropout(linear(input, weight).gelu(), 0.3, true).add(input);
          h = checkpointed ? checkpoint(h, [weight], block) : block(h);
        }
        return h;
      });
      const random = randomState().data();
      backward(output.pow(2).sum());
      assert.deepEqual(randomState().data(), random);
      const gradients = [x, ...weights].map((leafTensor) => leafTensor.grad?.data());
      return { output: output.detach().data(), gradients, random };
    }
    for (const mixed of [false, true]) {
      it(`equals the plain pass bit for bit with dropout${mixed ? ", autocast" : ""}`, () => {
        runBackwardElsewhere(elsewhere);
        const [plain, recomputed] = [chain(false, mixed), chain(true, mixed)];
        assert.deepEqual(recomputed, plain);
        assert.ok(plain.gradients.every((gradient) => gradient !== undefined));
      });
    }
    it("reaches the weights when the input needs no gradient", () => {
      runBackwardElsewhere(elsewhere);
      const weight = randn([3, 3]).setRequiresGrad(true);
      const x = randn([2, 3]);
      scope(() => backward(checkpoint(x, [weight], (h) => h.mm(weight).tanh()).sum()));
      const recomputed = weight.grad?.data();
      weight.grad = null;
      const plain = grad(x.mm(weight).tanh().sum(), [weight])[0];
      assert.deepEqual(plain?.data(), recomputed);
    });
  });
}
