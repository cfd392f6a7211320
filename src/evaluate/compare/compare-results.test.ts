import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertClose } from "../../../test/support/close.ts";
import { classified, measuredSet, suiteResults } from "../../../test/support/suite-results.ts";
import { holm, mcNemar } from "../../arrays/hypothesis-tests.ts";
import { compareResults, type ResultsOf, type SuiteComparison } from "./compare-results.ts";
import { takeaways, winnerText } from "./comparison-words.ts";
import type { SetResult } from "../suite-results.ts";

const of = (model: string, ...sets: SetResult[]): ResultsOf => ({
  file: `${model}.json`,
  results: suiteResults(model, sets),
});
const below =
  (end: number, start = 0) =>
  (item: number): boolean =>
    item >= start && item < end;

/** Sets of 1,000: on `gain` b is right 60 times where a is wrong, and wrong 20 times where a is right. */
const sets = {
  a: [
    measuredSet("gain", classified(1000, below(500))),
    measuredSet("same", classified(400, below(200))),
    measuredSet("loss", classified(1000, below(600))),
    measuredSet("near", classified(500, below(250))),
  ],
  b: [
    measuredSet("gain", classified(1000, below(560, 20))),
    measuredSet("same", classified(400, below(200))),
    measuredSet("loss", classified(1000, below(520))),
    measuredSet("near", classified(500, below(253))),
  ],
};
const both = (): SuiteComparison => compareResults(of("a", ...sets.a), of("b", ...sets.b));

describe("what cannot be compared", () => {
  const one = sets.a[0]!;

  it("is refused with the set and the first item that differs", () => {
    const with30 = (keys: (key: string) => string, count = 30): SetResult => {
      const items = classified(count, below(9));
      return measuredSet("gain", { ...items, keys: items.keys.map(keys) });
    };
    const plain = with30((key) => key);
    const cases: [SetResult, SetResult, RegExp][] = [
      [
        plain,
        with30((key) => key.replace("picture-7", "other")),
        /same items of gain\/zeroShot in b\.json as in a\.json but received "other" in place of "picture-7", item 8/,
      ],
      [
        plain,
        measuredSet("gain", classified(29, below(9))),
        /received no item in place of "picture-29", item 30/,
      ],
      [
        measuredSet("gain", classified(29, below(9))),
        plain,
        /received "picture-29" in place of no item, item 30/,
      ],
    ];
    for (const [left, right, message] of cases) {
      assert.throws(() => compareResults(of("a", left), of("b", right)), {
        name: "DataError",
        message,
      });
    }
  });

  it("is refused where right answers, sources, classes or tasks are others", () => {
    const items = classified(30, below(9));
    const set = measuredSet("gain", items);
    const truth = Array.from(items.columns["truth"]!, (label, i) => (i === 4 ? 0 : label));
    // Other labels may change what guessing gives; the label says more.
    const columns = { ...items.columns, truth };
    const relabelled = measuredSet("gain", { ...items, columns }, { chance: 0.11 });
    const clustered = measuredSet("gain", { ...items, clusters: new Uint8Array(30) });
    const cases: [SetResult, RegExp][] = [
      [relabelled, /same truth of gain\/zeroShot .* received 0 in place of 4 for item "picture-4"/],
      [clustered, /same clusters of gain\/zeroShot .* received 0 in place of undefined/],
      [
        measuredSet("gain", items, { chance: 0.2 }),
        /gain\/zeroShot\/top1 to be as likely by guessing \(0.1\).* received 0.2: its classes/,
      ],
      [
        measuredSet("gain", items, { name: "other" }),
        /the task zeroShot of set gain .* only other/,
      ],
    ];
    for (const [right, message] of cases) {
      assert.throws(() => compareResults(of("a", set), of("b", right)), {
        name: "DataError",
        message,
      });
    }
  });

  it("is refused where no set is common, or items do not give what stands beside them", () => {
    assert.throws(
      () => compareResults(of("a", one), of("b", sets.b[1]!)),
      /a set that was measured in both a\.json and b\.json but received gain and same; run one suite/,
    );
    assert.throws(() => compareResults(of("a"), of("b")), /but received none and none/);
    const edited = structuredClone(one);
    edited.tasks[0]!.metrics["top1"]!.value = 0.9;
    assert.throws(
      () => compareResults(of("a", one), of("b", edited)),
      /items of gain\/zeroShot in b\.json that give its metrics.*give 0.5 for top1, which says 0.9/,
    );
    const huge = structuredClone(one);
    huge.tasks[0]!.items!.columns["truth"]![3] = 1e12;
    assert.throws(
      () => compareResults(of("a", huge), of("b", one)),
      /numbers up to 16777216 for truth of gain\/zeroShot in a\.json but entry 4 is 1000000000000/,
    );
    const few = structuredClone(one);
    few.tasks[0]!.items!.clusters = [1, 2];
    assert.throws(
      () => compareResults(of("a", few), of("b", few)),
      /Expected 1000 clusters of gain\/zeroShot in a\.json, one for each item, but received 2/,
    );
    const bare = structuredClone(one);
    delete bare.tasks[0]!.items!.columns["rank"];
    assert.throws(() => compareResults(of("a", bare), of("b", one)), {
      name: "DataError",
      message: /items of gain\/zeroShot in a\.json .*Expected a column rank/,
    });
  });

  it("is left out where only one has it", () => {
    const missing: SetResult = { ...one, name: "far", state: "missing", tasks: [] };
    const { leftOut, sets: compared } = compareResults(
      of("a", one, sets.a[1]!, { ...one, name: "far" }),
      of("b", one, missing, { ...one, name: "new" }),
    );
    assert.deepEqual(
      compared.map(({ name }) => name),
      ["gain"],
    );
    assert.deepEqual(leftOut, [
      { name: "same", reason: "not in b.json" },
      { name: "far", reason: "missing in b.json" },
      { name: "new", reason: "not in a.json" },
    ]);
  });
});

describe("compareResults", () => {
  it("gives the difference of the same items, and its interval", () => {
    const [gain] = both().sets;
    const { first, second, difference, interval, standardError, p } = gain!.main;
    assertClose([first, second, difference], [0.5, 0.54, 0.04]);
    const error = Math.sqrt(80 - 1600 / 1000) / 1000;
    assertClose([standardError!], [error], { rtol: 0.08 });
    assertClose([interval!.low, interval!.high], [0.04 - 1.96 * error, 0.04 + 1.96 * error], {
      atol: 0.003,
    });
    assert.deepEqual(gain!.tasks[0]!.mcNemar, mcNemar(20, 60));
    assert.equal(p, mcNemar(20, 60).p);
  });

  it("corrects the main metrics' p values together, and judges by them", () => {
    const { sets: compared } = both();
    const p = [mcNemar(20, 60).p, 1, mcNemar(80, 0).p, mcNemar(0, 3).p];
    assertClose(
      compared.map(({ main }) => main.p!),
      p,
    );
    assertClose(
      compared.map(({ main }) => main.adjustedP!),
      holm(p),
    );
    assert.deepEqual(
      compared.map(({ winner }) => winner),
      ["second", "open", "first", "open"],
    );
  });

  it("averages over the sets, for these and for others like them", () => {
    const { average } = both();
    const differences = [0.04, 0, -0.08, 0.006];
    assert.equal(average?.sets, 4);
    assertClose([average.difference], [-0.0085]);
    // Each set's variance of a mean of paired differences; sets are independent.
    const variances = [78.4e-6, 0, (80 - 6.4) * 1e-6, (3 - 9 / 500) / 250_000];
    const half = (1.96 * Math.sqrt(variances.reduce((sum, one) => sum + one, 0))) / 4;
    assertClose([average.interval!.high + 0.0085], [half], { rtol: 0.06 });
    const squares = differences.reduce((sum, one) => sum + (one + 0.0085) ** 2, 0);
    const overSets = 3.182446 * Math.sqrt(squares / 3 / 4);
    assertClose([average.overSets!.high + 0.0085], [overSets], { rtol: 1e-5 });
  });

  it("takes items of one source together, and leaves McNemar's test out then", () => {
    const clusters = Array.from({ length: 1000 }, (_, i) => Math.floor(i / 20));
    const left = measuredSet("gain", classified(1000, below(500), clusters));
    const right = measuredSet("gain", classified(1000, below(560, 20), clusters));
    const [gain] = compareResults(of("a", left), of("b", right)).sets;
    assert.equal(gain!.tasks[0]!.mcNemar, undefined);
    // 50 sources: one all worse, three all better.
    const error = Math.sqrt((4 - 4 / 50) / 50 ** 2);
    assertClose([gain!.main.standardError!], [error], { rtol: 0.08 });
    assert.ok(gain!.main.p! > 0.2);
    assert.equal(gain!.winner, "open");
  });

  it("knows the smaller number where that is the better one, and other units than shares", () => {
    const retrieved = (rank: number): SetResult => {
      const keys = Array.from({ length: 60 }, (_, i) => `p${i}`);
      const imageOfText = keys.map((_, i) => i);
      const ranks = keys.map((_, i) => rank + (i % 3));
      const columns = { imageRank: ranks, textRank: ranks, imageOfText };
      const set = measuredSet("words", { keys, columns }, { name: "retrieval", kind: "retrieval" });
      return { ...set, main: "retrieval/imageToText/medianRank" };
    };
    const compared = compareResults(of("a", retrieved(4)), of("b", retrieved(2)));
    const { main, winner } = compared.sets[0]!;
    assert.deepEqual([main.first, main.second, main.difference, winner], [5, 3, -2, "second"]);
    assert.equal(compared.average, undefined);
    assert.equal(winnerText(compared, compared.sets[0]!), "b is better");
  });

  it("has differences but no verdict where items were not kept", () => {
    const bare = structuredClone(sets.b[0]!);
    delete bare.tasks[0]!.items;
    const compared = compareResults(of("a", sets.a[0]!), of("b", bare));
    const { main, winner } = compared.sets[0]!;
    assertClose([main.difference], [0.04]);
    assert.deepEqual([main.interval, main.p, winner], [undefined, undefined, "open"]);
    assert.match(takeaways(compared).join(" "), /there is no interval and no verdict/);
  });

  it("says what was not measured alike", () => {
    const items = classified(30, below(9));
    const with_ = (templates: string[], found = 0): SetResult =>
      measuredSet("s", items, { facts: { templates, calibration: { found } } });
    const same = compareResults(of("a", with_(["{}"], 1)), of("b", with_(["{}"], 2)));
    assert.deepEqual(same.sets[0]!.tasks[0]!.notes, []);
    const other = compareResults(of("a", with_(["{}"])), of("b", with_(["a {}"])));
    assert.match(takeaways(other).at(-1)!, /Not measured alike: templates differs in s/);
    const of_ = (probabilities: string): SetResult =>
      measuredSet("s", items, { facts: { calibration: { probabilities } } });
    const mixed = compareResults(of("a", of_("softmax")), of("b", of_("sigmoid")));
    assert.match(takeaways(mixed).at(-1)!, /Not measured alike: probabilities differs in s/);
  });

  it("repeats to the last bit, and its options count", () => {
    assert.deepEqual(both(), both());
    const narrow = compareResults(of("a", ...sets.a), of("b", ...sets.b), { level: 0.5 });
    const [wide] = both().sets;
    assert.ok(narrow.sets[0]!.main.interval!.low > wide!.main.interval!.low);
    const none = compareResults(of("a", ...sets.a), of("b", ...sets.b), { resamples: 0 });
    assert.equal(none.sets[0]!.main.interval, undefined);
    assert.equal(none.sets[0]!.main.p, mcNemar(20, 60).p);
  });
});

describe("takeaways", () => {
  it("say who is better where, on average, and how sure that is", () => {
    const [verdict, average] = takeaways(both());
    assert.equal(
      verdict,
      "b is better on 1 of 4 sets; a is better on 1; on 2 no difference can be shown " +
        "(at an error of 5 % for all 4 sets together, by Holm's correction).",
    );
    assert.match(
      average!,
      /^The main metric averaged over 4 sets is 0\.8 points lower with b than with a \(95 % interval -1\.\d to -0\.\d for these sets; -8\.9 to \+7\.2 for other sets like them\)\.$/,
    );
  });

  it("name both files where two models have one name", () => {
    const left = of("m", sets.a[1]!);
    const right = { ...of("m", sets.b[1]!), file: "other.json" };
    const [verdict, average] = takeaways(compareResults(left, right));
    assert.equal(
      verdict,
      "No difference between m (m.json) and m (other.json) can be shown (at an error of 5 %).",
    );
    assert.match(
      average!,
      /^The main metric of the one set is the same with m \(other\.json\) and m /,
    );
  });
});
