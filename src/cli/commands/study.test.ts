import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const folder = mkdtempSync(path.join(tmpdir(), "limn-study-cli-"));
after(() => rmSync(folder, { recursive: true }));

const file = path.join(folder, "mine.ts");
writeFileSync(
  file,
  `import { defineStudy } from "limn/study";
export default defineStudy({
  name: "mine", title: "Mine", question: "?", source: "me", seeds: [0, 1, 2], secondsPerRun: 1,
  metrics: { acc: { label: "accuracy", unit: "share", better: "higher" } },
  prepare: async () => 0.25,
  arms: (base: number) => ["a", "b"].map((name, i) => ({
    name, factors: { i },
    run: async (seed: number) => ({ metrics: { acc: base * (i + 1) + seed / 100 } }),
  })),
  settings: () => [], figures: () => [],
  tables: () => [{ kind: "arms", title: "All", metrics: ["acc"] }],
  conclusions: () => [{ claim: "B wins.", comparisons: [{ better: "b", worse: "a", metric: "acc" }] }],
});
`,
);

/** Exit code and what the command wrote. */
function limn(...args: string[]): { code: number; out: string; err: string } {
  const program = fileURLToPath(new URL("../../../../bin/limn.mjs", import.meta.url));
  const options = { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } } as const;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [program, "study", ...args],
    options,
  );
  return { code: status ?? -1, out: stdout, err: stderr };
}

test("an unknown study, bad seeds and a file without a study are refused", () => {
  const recipe = path.join(folder, "recipe.json");
  writeFileSync(recipe, '{"name":"x"}');
  const cases: [string[], RegExp][] = [
    [["no-such-study-at-all"], /Expected a study or a file for <name> but received/],
    [[file, "--seeds", "0;1"], /seeds such as 0,1,2 for --seeds but received "0;1"/],
    [[recipe], /Expected a study with a name and the functions/],
    [[file, "--arms", "z", "--workdir", path.join(folder, "w")], /Expected an arm for --arms/],
  ];
  for (const [args, message] of cases) {
    const { code, err } = limn(...args);
    assert.equal(code, 2, err);
    assert.match(err, message);
  }
});

test("a user's own study runs, and its page can be written again", () => {
  const places = ["--workdir", path.join(folder, "work"), "--out", path.join(folder, "out")];
  const first = limn(file, ...places);
  assert.equal(first.code, 0, first.err);
  assert.match(first.out, /accuracy, %: 26\.0 \[25\.0, 27\.0\]/);
  assert.match(first.out, /B wins\. - appears here/);
  assert.match(first.err, /Mine: 6 runs, 0 finished, 6 to do/);
  const page = path.join(folder, "out", "mine.md");
  const before = readFileSync(page, "utf8");
  rmSync(page);
  const again = limn(file, ...places, "--report-only", "--json");
  assert.equal(again.code, 0, again.err);
  assert.equal(again.err, "");
  assert.equal((JSON.parse(again.out) as { page: string }).page, page);
  assert.equal(readFileSync(page, "utf8"), before);
  assert.ok(existsSync(path.join(folder, "out", "mine", "results.json")));
});
