import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { tinyData, tinyRecipe } from "../../test/support/tiny-run.ts";
import { thisProcess, type Owner } from "../files/owner.ts";
import { runStudy, type StudyOptions } from "./run-study.ts";
import { defineStudy, type Arm, type Study, suiteOutcome } from "./define-study.ts";

const root = mkdtempSync(path.join(tmpdir(), "limn-study-"));
after(() => rmSync(root, { recursive: true }));

const metric = { label: "accuracy", unit: "share", better: "higher" } as const;

/** A study whose arms take no time. */
function instant(change: Partial<Study<null>> & { run?: Arm["run"]; settings2?: unknown } = {}) {
  const { run, settings2 = 1, ...rest } = change;
  const calls: string[] = [];
  const study = defineStudy({
    name: "instant",
    title: "An instant study",
    question: "The paper found that b is better than a.",
    source: "Nobody, arXiv:0000.00000",
    seeds: [0, 1, 2],
    secondsPerRun: 1,
    metrics: { acc: metric },
    prepare: () => Promise.resolve(null),
    arms: () =>
      ["a", "b"].map((name, index) => ({
        name,
        label: `Arm ${name.toUpperCase()}`,
        factors: { index },
        settings: settings2,
        run: async (seed, context) => {
          calls.push(`${name}${seed}`);
          return (
            (await run?.(seed, context)) ?? {
              metrics: {},
              items: { acc: Uint8Array.of(1, index, 0, index) },
            }
          );
        },
      })),
    settings: () => ["Four items"],
    tables: () => [{ kind: "arms", title: "Both", metrics: ["acc"], baseline: "a" }],
    figures: () => [{ kind: "dots", name: "both", title: "Both", metric: "acc" }],
    conclusions: () => [
      { claim: "B is better.", comparisons: [{ better: "b", worse: "a", metric: "acc" }] },
    ],
    ...rest,
  });
  return { study, calls };
}

let folders = 0;
function places(): Required<Pick<StudyOptions, "workdir" | "out">> {
  const folder = path.join(root, String(folders++));
  return { workdir: path.join(folder, "work"), out: path.join(folder, "pages") };
}

test("what is no study, has too few seeds or clashing arms is refused", async () => {
  const at = places();
  const wrong: [unknown, StudyOptions, RegExp][] = [
    [{ name: "x" }, {}, /^Expected a study with a name and the functions .* an object with name/],
    [instant({ seeds: [0, 1] }).study, {}, /^Expected at least 3 seeds for the study instant/],
    [instant({ name: "Not So" }).study, {}, /small letters, digits and dashes/],
    [instant().study, { seeds: [1, 1] }, /different whole numbers >= 0 for seeds .* 1, 1/],
    [instant().study, { arms: ["c*"] }, /none fits "c\*"\. Did you mean "a"/],
    [instant().study, { reportOnly: true }, /^Expected finished runs in .* run the study first/],
    [
      instant({
        arms: () =>
          ["Lu", "lu"].map((name) => ({ name, factors: {}, run: () => Promise.reject() })),
      }).study,
      {},
      /case apart\) but received "lu"/,
    ],
  ];
  for (const [study, options, message] of wrong) {
    await assert.rejects(runStudy(study as Study, { ...at, ...options }), { message });
  }
});

test("runs seed by seed, then finds everything finished and writes the same page", async () => {
  const { study, calls } = instant();
  const at = places();
  const first = await runStudy(study, at);
  assert.deepEqual(calls, ["a0", "b0", "a1", "b1", "a2", "b2"]);
  assert.deepEqual([first.found, first.done, first.left], [0, 6, 0]);
  const page = readFileSync(first.page ?? "", "utf8");
  const numbers = readFileSync(path.join(at.out, "instant", "results.json"), "utf8");

  const second = await runStudy(study, at);
  assert.deepEqual([second.found, second.done, calls.length], [6, 0, 6]);
  const third = await runStudy(study, { ...at, reportOnly: true });
  assert.equal(readFileSync(third.page ?? "", "utf8"), page);
  assert.equal(readFileSync(path.join(at.out, "instant", "results.json"), "utf8"), numbers);
});

test("a wrong recipe of the last arm is found before the first arm runs", async () => {
  const ran: string[] = [];
  const arms = (): Arm[] =>
    ["a", "b"].map((name) => ({
      name,
      factors: {},
      recipe: () => (name === "a" ? undefined : { name: "x", trian: {} }),
      run: () => {
        ran.push(name);
        return Promise.resolve({ metrics: { acc: 1 } });
      },
    }));
  await assert.rejects(runStudy(instant({ arms }).study, places()), {
    name: "RecipeError",
    message: /Expected .* \(arm b\)\.?$/,
  });
  assert.deepEqual(ran, []);
});

test("other settings, other changes or a lost result run again; other arms stay", async () => {
  const at = places();
  await runStudy(instant().study, at);
  const again = async (options: StudyOptions, change = {}): Promise<string> => {
    const { study, calls } = instant(change);
    await runStudy(study, { ...at, ...options });
    return calls.join(" ");
  };
  assert.equal(await again({}), "");
  writeFileSync(path.join(at.workdir, "runs", "a", "seed-1", "result.json"), "{");
  assert.equal(await again({}), "a1");
  assert.equal(await again({ set: ["train.steps=3"], arms: ["a"] }), "a0 a1 a2");
  assert.equal(await again({ seeds: [0] }, { settings2: 2 }), "a0 b0");
  assert.equal(await again({ seeds: [1], arms: ["?"] }, { version: 5 }), "a1 b1");
});

test("a run that throws leaves the others; what it had begun is gone on with", async () => {
  const at = places();
  let fails = true;
  const seen: boolean[] = [];
  const run: Arm["run"] = (seed, context) => {
    const begun = path.join(context.folder, "begun");
    if (seed === 1) seen.push(existsSync(begun));
    writeFileSync(begun, "");
    if (seed === 1 && fails) return Promise.reject(new Error("no luck"));
    return Promise.resolve({ metrics: { acc: 0.5 } });
  };
  const { study, calls } = instant({ run });
  await assert.rejects(runStudy(study, at), /no luck/);
  assert.deepEqual(calls, ["a0", "b0", "a1"]);
  fails = false;
  const { done, found } = await runStudy(study, at);
  assert.deepEqual([found, done], [2, 4]);
  assert.deepEqual(seen.slice(0, 2), [false, true]);
});

test("a signal ends a study without a page; an artifact is made once", async () => {
  const at = places();
  let interrupt = true;
  const made: string[] = [];
  const run: Arm["run"] = async (seed, context) => {
    const folder = await context.artifact(`tower-${seed}`, async (partial) => {
      made.push(`${seed}${existsSync(path.join(partial, "half"))}`);
      writeFileSync(path.join(partial, "half"), "");
      if (interrupt) context.completed({ stopped: "signal", signal: 15 });
      return Promise.resolve();
    });
    assert.ok(existsSync(path.join(folder, "half")));
    const other = await context.artifact(`tower-${seed}`, () => Promise.resolve(), { of: "other" });
    assert.notEqual(other, folder);
    return { metrics: { acc: 1 } };
  };
  const { study } = instant({ run });
  const stopped = await runStudy(study, at);
  assert.deepEqual([stopped.signal, stopped.page, stopped.left], [15, undefined, 6]);
  interrupt = false;
  assert.equal((await runStudy(study, at)).signal, undefined);
  assert.deepEqual(made, ["0false", "0true", "1false", "2false"]);
});

test("a signal of the system is caught, also where the arm does not look", async () => {
  const at = places();
  const run: Arm["run"] = (seed) => {
    if (seed === 1) process.kill(process.pid, "SIGINT");
    return Promise.resolve({ metrics: { acc: 1 } });
  };
  const { study } = instant({ run });
  const { signal, done, left } = await runStudy(study, { ...at, handleSignals: true });
  assert.deepEqual([signal, done, left], [2, 2, 4]);
});

test("metrics that are not the mean of their items are refused", async () => {
  const run: Arm["run"] = () =>
    Promise.resolve({ metrics: { acc: 0.9 }, items: { acc: Uint8Array.of(1, 0) } });
  const { study } = instant({ run });
  await assert.rejects(runStudy(study, places()), /Expected the mean of its items, 0\.5, for acc/);
});

test("a study that runs already is refused, a lock that was left is not", async () => {
  const at = places();
  mkdirSync(path.dirname(at.workdir), { recursive: true });
  const { study } = instant({ seeds: [0, 1, 2] });
  const lock = (owner: Owner): void =>
    writeFileSync(`${at.workdir}.lock`, JSON.stringify({ id: "another", ...owner }));
  const { host } = thisProcess();
  lock({ host, pid: 1 });
  await assert.rejects(runStudy(study, at), {
    name: "StorageError",
    message: /lock of process 1 on host /,
  });
  // Process 1 of another container on the same volume, whatever the number is here.
  for (const pid of [1, process.pid, 999_999_999]) {
    lock({ host: "another-container", pid });
    await assert.rejects(runStudy(study, at), /process \d+ on host another-container/);
  }
  lock({ host, pid: 999_999_999 });
  assert.equal((await runStudy(study, at)).done, 6);
});

test("a smoke run trains two steps of one seed, beside its own page", async () => {
  const data = await tinyData(16);
  after(() => rmSync(data.folder, { recursive: true }));
  const workdir = path.join(root, "smoke");
  const lines: string[] = [];
  const run: Arm["run"] = async (_seed, context) => {
    const result = await context.train(tinyRecipe(data));
    assert.equal(result.step, 2);
    assert.ok(result.secondsPerStep > 0);
    const { metrics, items } = suiteOutcome(result.suites);
    return { metrics, items };
  };
  const { study } = instant({
    run,
    metrics: {
      acc: metric,
      "colors/zeroShot/top1": metric,
      "colors/retrieval/textToImage/recall@5": metric,
    },
    tables: () => [
      { kind: "arms", title: "Both", metrics: ["colors/retrieval/textToImage/recall@5"] },
    ],
  });
  const { page, results } = await runStudy(study, {
    workdir,
    smoke: true,
    arms: ["a"],
    progress: { write: (line: string) => lines.push(line) },
  });
  assert.equal(page, path.join(workdir, "instant.md"));
  const found = results.estimate("a", "colors/retrieval/textToImage/recall@5");
  assert.ok(found?.overItems && found.seeds.length === 1 && found.interval !== undefined);
  assert.match(lines.join(""), /An instant study: 1 run, 0 finished, 1 to do\n/);
  const folder = path.join(workdir, "runs", "a", "seed-0", "train");
  assert.ok(existsSync(path.join(folder, "model")));
  assert.ok(!existsSync(path.join(folder, "checkpoints")));
});

test("a work folder that cannot be made is a StorageError that names it", async () => {
  const { workdir, out } = places();
  mkdirSync(path.dirname(workdir), { recursive: true });
  writeFileSync(workdir, "");
  await assert.rejects(runStudy(instant().study, { workdir, out }), {
    name: "StorageError",
    file: workdir,
  });
  assert.equal(readFileSync(workdir, "utf8"), "");
});
