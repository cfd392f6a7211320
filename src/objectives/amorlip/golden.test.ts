import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";

import { assertClose } from "../../../test/support/close.ts";
import { backward, fromData, noGrad, scope, type Tensor } from "../../torch/index.ts";
import { amorlipSchema, createAmorlip, type AmorlipObjective } from "./training.ts";
import type { AmortizationNetwork } from "./amortization-network.ts";

interface Run {
  setting: Record<string, unknown>;
  steps: { loss: number; amortizationLoss: number | null; beta: number }[];
  towers: number[][];
  logScale: number;
  online: number[][];
  average: number[][];
  previous: number[][];
}

/** Written by test/goldens/generate/amorlip.py, which knows Algorithm 1 and nothing of limn. */
interface Golden {
  rtol: number;
  atol: number;
  shape: { pairs: number; inputs: number; dim: number; hidden: number };
  common: Record<string, unknown> & { rate: number; steps: number };
  /** [step][side] rows of numbers */
  inputs: number[][][];
  towers: number[][];
  logScale: number;
  networks: number[][];
  runs: Run[];
}

const file = new URL("../../../../test/goldens/amorlip.json.gz", import.meta.url);
const golden = JSON.parse(gunzipSync(readFileSync(file)).toString()) as Golden;
const { shape, common, rtol, atol } = golden;

const matrix = (values: number[], columns: number): Tensor =>
  fromData(Float64Array.from(values), [values.length / columns, columns]);

/** Writes the golden's weights, in float64, over those that were drawn. */
function setWeights(network: AmortizationNetwork, values: number[]): void {
  let start = 0;
  for (const { tensor } of network.parameters()) {
    const part = Float64Array.from(values.slice(start, start + tensor.count));
    start += tensor.count;
    scope(() => tensor.setData(fromData(part, tensor.shape)));
  }
  assert.equal(start, values.length);
}

const weightsOf = (network: AmortizationNetwork): number[] =>
  network.parameters().flatMap(({ tensor }) => [...tensor.toFloat64Array()]);

function objectiveOf(setting: Record<string, unknown>): AmorlipObjective {
  const { rate: _, steps, rho, ...rest } = common;
  const recipe = amorlipSchema.parse({
    kind: "amorlip",
    reinitializeEveryEpochs: 0,
    widthFactor: shape.hidden / shape.dim,
    ...(setting.scaleLoss === false ? {} : { rho }),
    ...rest,
    ...setting,
  });
  const objective = createAmorlip(recipe, {
    device: "cpu",
    embedDim: shape.dim,
    batchSize: shape.pairs,
    steps,
    hasLogitBias: false,
    logitScaleInit: 8,
    logitScaleLearned: true,
    scratchFolder: "none",
  });
  const { online, average } = objective.amortizer;
  for (const networks of [online, average]) {
    setWeights(networks.image, golden.networks[0] as number[]);
    setWeights(networks.text, golden.networks[1] as number[]);
  }
  return objective;
}

for (const chunkSize of [undefined, 4]) {
  for (const run of golden.runs) {
    const form = chunkSize === undefined ? "whole" : "chunked";
    test(`six steps equal the plain reference, ${form}: ${JSON.stringify(run.setting)}`, () => {
      const objective = objectiveOf({ ...run.setting, ...(chunkSize ? { chunkSize } : {}) });
      const towers = golden.towers.map((w) => matrix(w, shape.inputs).setRequiresGrad(true));
      const logScale = fromData(Float64Array.of(golden.logScale), []).setRequiresGrad(true);
      for (const [step, expected] of run.steps.entries()) {
        const inputs = golden.inputs[step] as number[][];
        const [image, text] = inputs.map((x, i) => {
          const y = matrix(x, shape.inputs).mm((towers[i] as Tensor).t());
          return y.div(y.norm([1], true));
        }) as [Tensor, Tensor];
        const { loss, metrics = {} } = objective.compute({
          image,
          text,
          rawImage: image,
          rawText: text,
          logitScale: logScale.exp(),
          logitBias: null,
          ids: [],
          step,
          position: step,
          epoch: 0,
        });
        backward(loss);
        assertClose([loss.item()], [expected.loss], { rtol, atol }, `loss of step ${step}`);
        assertClose([metrics.beta ?? NaN], [expected.beta], { rtol, atol }, "beta");
        assert.equal(metrics.amortizationLoss === undefined, expected.amortizationLoss === null);
        if (expected.amortizationLoss !== null) {
          const fitted = [metrics.amortizationLoss ?? NaN];
          assertClose(fitted, [expected.amortizationLoss], { rtol, atol }, "amortisation loss");
        }
        noGrad(() => {
          for (const leaf of [...towers, logScale]) {
            leaf.add_((leaf.grad as Tensor).mul(-common.rate));
            leaf.grad = null;
          }
        });
      }
      const { online, average, previous } = objective.amortizer;
      for (const [i, side] of (["image", "text"] as const).entries()) {
        for (const [name, networks] of Object.entries({ online, average, previous })) {
          const expected = run[name as "online" | "average" | "previous"][i] as number[];
          assert.ok(networks);
          assertClose(weightsOf(networks[side]), expected, { rtol, atol }, `${name} of ${side}`);
        }
        const tower = (towers[i] as Tensor).toFloat64Array();
        assertClose(tower, run.towers[i] as number[], { rtol, atol }, `tower of ${side}`);
      }
      assertClose([logScale.item()], [run.logScale], { rtol, atol }, "logScale");
      objective.dispose();
    });
  }
}
