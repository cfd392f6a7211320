/** Against scikit-learn, scipy and the paper's equation; test/goldens/generate/metrics.py makes the file. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertClose } from "../../../test/support/close.ts";
import { floatsOf, metricsGolden } from "../../../test/support/metrics-golden.ts";
import { createRandom } from "../../arrays/random.ts";
import { calibrationError, calibrationMetrics, reliabilityCurve } from "./calibration.ts";
import { fitSigmoid, fitTemperature } from "./fit-likelihood.ts";
import { itemProbabilities, sigmoid, softplus } from "./probabilities.ts";
import { meanOf } from "./weighted.ts";

const { calibration: golden } = metricsGolden();
const { labels, logitScale } = golden;
const data = { similarities: floatsOf(golden.similarities), labels, classCount: golden.classes };
const items = itemProbabilities(data, { kind: "softmax", logitScale });
const exact = { rtol: 1e-10, atol: 1e-14 };

describe("itemProbabilities", () => {
  it("refuses counts, labels and numbers that do not fit", () => {
    const softmax = { kind: "softmax", logitScale: 1 } as const;
    const of = (similarities: number[], own: number[], classCount = 2): unknown =>
      itemProbabilities({ similarities, labels: own, classCount }, softmax);
    assert.throws(() => of([1, 2, 3], [0, 1]), /Expected 2 x 2 similarities.* received 3/);
    assert.throws(() => of([1, 2], [2]), /from 0 to 1 for labels but item 0 has 2/);
    assert.throws(() => of([1, Infinity], [0]), /finite numbers for similarities/);
    assert.throws(() => of([], []), /at least one item and one class but received 0 and 2/);
    assert.throws(
      () => itemProbabilities(data, { kind: "softmax", logitScale: NaN }),
      /finite numbers for the logit scale/,
    );
  });

  it("gives sigmoid models the binary log loss of all pairs", () => {
    const { logitBias, nll } = golden.sigmoid;
    const found = itemProbabilities(data, { kind: "sigmoid", logitScale, logitBias });
    assertClose([meanOf(found.losses)()], [nll], exact);
    for (let item = 0; item < labels.length; item++) {
      const row = data.similarities.subarray(item * golden.classes, (item + 1) * golden.classes);
      const best = Math.max(...row);
      assertClose([found.confidences[item]!], [1 / (1 + Math.exp(6 - 20 * best))], exact);
    }
  });

  it("stays finite for logits of any size", () => {
    const huge = { similarities: [1, -1, -1, 1], labels: [0, 0], classCount: 2 };
    for (const likelihood of [
      { kind: "softmax", logitScale: 1e4 },
      { kind: "sigmoid", logitScale: 1e4, logitBias: 0 },
    ] as const) {
      const { losses, confidences } = itemProbabilities(huge, likelihood);
      assertClose(losses, likelihood.kind === "softmax" ? [0, 2e4] : [0, 1e4]);
      assertClose(confidences, [1, 1]);
    }
    assert.deepEqual([softplus(-1e4), softplus(1e4)], [0, 1e4]);
    assert.deepEqual([sigmoid(-1e4), sigmoid(1e4)], [0, 1]);
  });
});

describe("calibration", () => {
  it("refuses confidences outside [0, 1] and bins that are none", () => {
    const hits = Uint8Array.of(1);
    assert.throws(
      () => calibrationError({ confidences: Float64Array.of(1.2), hits }),
      /confidences from 0 to 1 but item 0 has 1.2/,
    );
    assert.throws(() => calibrationError(items, { bins: 0 }), /1 or more for bins but received 0/);
  });

  it("has the references' ECE, adaptive ECE, Brier score and log loss, of drawn items too", () => {
    const metrics = calibrationMetrics(items);
    assertClose(metrics(), golden.once, exact);
    assertClose(metrics(golden.weights), golden.drawn, exact);
  });

  it("has scikit-learn's reliability curve", () => {
    const filled = reliabilityCurve(items)().filter(({ count }) => count > 0);
    assertClose(
      filled.map(({ accuracy }) => accuracy),
      golden.curve.accuracies,
      exact,
    );
    assertClose(
      filled.map(({ confidence }) => confidence),
      golden.curve.confidences,
      exact,
    );
  });

  it("puts confidences on an edge into the lower bin, and shares equal masses out", () => {
    const claims = {
      confidences: Float64Array.of(0, 0.25, 0.5, 0.5, 0.75, 1),
      hits: new Uint8Array(6),
    };
    const counts = (options: object): number[] =>
      reliabilityCurve(claims, options)().map(({ count }) => count);
    assert.deepEqual(counts({ bins: 4 }), [2, 2, 1, 1]);
    assert.deepEqual(counts({ bins: 4, kind: "equalMass" }), [2, 1, 2, 1]);
    assert.deepEqual(counts({ bins: 8, kind: "equalMass" }), [1, 1, 1, 0, 1, 1, 1, 0]);
    const [first] = reliabilityCurve(claims, { bins: 2, kind: "equalMass" })([1, 0, 0, 4, 0, 5]);
    assert.deepEqual(first, { low: 0, high: 0.5, count: 5, confidence: 0.4, accuracy: 0 });
  });

  it("is 0 for a model that is right as often as it says, however it is binned", () => {
    const claims = {
      confidences: Float64Array.from({ length: 1000 }, () => 0.7),
      hits: Uint8Array.from({ length: 1000 }, (_, i) => +(i % 10 < 7)),
    };
    assertClose([calibrationError(claims)()], [0], { atol: 1e-12 });
    assertClose([calibrationError(claims, { kind: "equalMass", bins: 10 })()], [0], {
      atol: 1e-12,
    });
  });
});

describe("fitTemperature", () => {
  it("ends where scipy's minimum is, from any start", () => {
    for (const start of [0.01, 1, logitScale, 5000]) {
      const found = fitTemperature(data, start);
      assert.equal(found.atLimit, false);
      // Theirs stops at the square root of the precision, where the loss no longer changes.
      assertClose([found.logitScale], [golden.temperature.logitScale], { rtol: 1e-6 });
      assertClose([found.nll], [golden.temperature.nll], { rtol: 1e-12 });
      assertClose([found.temperature], [start / found.logitScale], { rtol: 1e-12 });
      assert.ok(found.steps < 40, `${found.steps} steps`);
    }
  });

  it("finds the scale by which labels were drawn", () => {
    const random = createRandom("temperature");
    const [count, classCount, scale] = [20_000, 4, 30];
    const similarities = Float32Array.from({ length: count * classCount }, () => random.next() / 5);
    const drawn = Int32Array.from({ length: count }, (_, item) => {
      const shares = [0, 1, 2, 3].map((c) => Math.exp(scale * similarities[item * 4 + c]!));
      let left = random.next() * shares.reduce((sum, one) => sum + one, 0);
      return shares.findIndex((share) => (left -= share) < 0);
    });
    const found = fitTemperature({ similarities, labels: drawn, classCount });
    assertClose([found.logitScale], [scale], { rtol: 0.03 });
  });

  it("says so where no scale is the best, and refuses a scale that is none", () => {
    const perfect = { similarities: [1, 0, 0, 1], labels: [0, 1], classCount: 2 };
    assert.equal(fitTemperature(perfect).atLimit, true);
    assert.ok(fitTemperature(perfect).logitScale > 1000);
    assert.ok(fitTemperature({ ...perfect, labels: [1, 0] }).logitScale < 0.01);
    assert.throws(() => fitTemperature(perfect, 0), /a logit scale above 0 but received 0/);
  });
});

describe("fitSigmoid", () => {
  it("ends where scikit-learn's logistic regression does, from any start", () => {
    const { fitted } = golden.sigmoid;
    for (const start of [
      undefined,
      { logitScale: 100, logitBias: -30 },
      { logitScale: 0, logitBias: 0 },
    ]) {
      const found = fitSigmoid(data, start);
      assert.equal(found.atLimit, false);
      assertClose([found.logitScale, found.logitBias], [fitted.logitScale, fitted.logitBias], {
        rtol: 1e-6,
      });
      assertClose([found.nll], [fitted.nll], { rtol: 1e-10 });
    }
  });

  it("says so where a threshold parts all pairs, and refuses a single class", () => {
    const perfect = { similarities: [1, 0, 0, 1], labels: [0, 1], classCount: 2 };
    assert.equal(fitSigmoid(perfect).atLimit, true);
    assert.throws(
      () => fitSigmoid({ similarities: [1, 2], labels: [0, 0], classCount: 1 }),
      /two classes or more/,
    );
  });
});
