/** Against torch.nn.utils.clip_grad_norm_; test/goldens/generate/optimizer.py makes the file. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { assertClose } from "../../test/support/close.ts";
import { fromData, memory, ones, scope, tensor, zeros } from "../torch/index.ts";
import { clipGradients, gradientNorm } from "./clip-gradients.ts";
import { Parameter } from "../nn/module.ts";

interface Golden {
  rtol: number;
  clipping: {
    maxNorm: number;
    before: { shape: number[]; values: number[] }[];
    norm: number;
    after: number[][];
  }[];
}

const file = new URL("../../../test/goldens/optimizer.json", import.meta.url);
const golden = JSON.parse(readFileSync(file, "utf8")) as Golden;

function parameter(values: number[], shape: number[] = [values.length]): Parameter {
  const made = new Parameter(zeros(shape));
  made.tensor.grad = fromData(Float32Array.from(values), shape);
  return made;
}

describe("clipGradients", () => {
  it("refuses a limit that is not positive", () => {
    assert.throws(() => clipGradients([], 0), /positive number for maxNorm but received 0/);
    assert.throws(() => clipGradients([], NaN), /positive number for maxNorm but received NaN/);
  });
  it("gives 0 where there is no gradient", () => {
    assert.equal(clipGradients([new Parameter(ones([2]))], 1).item(), 0);
    assert.equal(gradientNorm([]).item(), 0);
  });
  for (const { maxNorm, before, norm, after } of golden.clipping) {
    it(`equals torch at norm ${norm.toPrecision(3)} and limit ${maxNorm}`, () => {
      const parameters = before.map(({ values, shape }) => parameter(values, shape));
      assertClose([gradientNorm(parameters).item()], [norm], { rtol: golden.rtol, atol: 0 });
      assertClose([clipGradients(parameters, maxNorm).item()], [norm], { rtol: golden.rtol });
      parameters.forEach(({ tensor: target }, i) => {
        const values = target.grad?.toFloat32Array() ?? [];
        assertClose(values, after[i] ?? [], { rtol: golden.rtol, atol: 0 });
      });
    });
  }
  it("gives the norm before and leaves none above the limit", () => {
    const parameters = [parameter([3]), parameter([4])];
    assert.equal(clipGradients(parameters, 1).item(), 5);
    assertClose([gradientNorm(parameters).item()], [1], { rtol: 1e-5 });
  });
  it("passes a norm that is not finite on to the gradients", () => {
    const parameters = [parameter([NaN]), parameter([4])];
    assert.ok(Number.isNaN(clipGradients(parameters, 1).item()));
    assert.ok(Number.isNaN(parameters[1]?.tensor.grad?.item()));
  });
  it("takes gradients of several types", () => {
    const wide = new Parameter(zeros([1], { dtype: "float64" }));
    wide.tensor.grad = tensor([4], { dtype: "float64" });
    const parameters = [parameter([3]), wide];
    assert.equal(clipGradients(parameters, 1).item(), 5);
    assertClose([wide.tensor.grad?.item() ?? 0], [0.8], { rtol: 1e-5 });
  });
  it("leaves no tensor behind but the norm", () => {
    const parameters = [parameter([3]), parameter([4])];
    const before = memory().tensors;
    clipGradients(parameters, 1).dispose();
    scope(() => void gradientNorm(parameters));
    assert.equal(memory().tensors, before);
  });
});
