import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { makePackages } from "./fake-packages.ts";
import quickstart from "./quickstart.ts";
import { trainingPrecision } from "./recipe.ts";

const root = mkdtempSync(join(tmpdir(), "limn-icons-start-"));
const manifest = fileURLToPath(new URL("package.json", import.meta.url));
after(() => rmSync(root, { recursive: true, force: true }));

/** The packages as if npm had fetched them. */
function installed(directory: string): string {
  const packages = join(directory, "packages");
  mkdirSync(packages, { recursive: true });
  makePackages(packages);
  copyFileSync(manifest, join(packages, "package.json"));
  copyFileSync(manifest, join(packages, "installed.json"));
  return directory;
}

describe("the quick start", () => {
  it("refuses a folder that holds anything else, and leaves it as it is", async () => {
    const directory = join(root, "other");
    mkdirSync(join(directory, "packages"), { recursive: true });
    writeFileSync(join(directory, "packages", "package.json"), '{ "name": "mine" }');
    await assert.rejects(
      quickstart({ directory, note: () => {} }),
      /Expected a new folder, or one of the quick start, for .* received one with packages; choose/,
    );
    assert.ok(!existsSync(join(directory, "data")));
  });
  it("trains in bfloat16 only where the processor has it", () => {
    assert.equal(trainingPrecision(["float32", "bfloat16", "int8"]), "bfloat16");
    assert.equal(trainingPrecision(["float32", "int8"]), "float32");
  });
  it("trains, tells numbers beside guessing, and writes a report that opens with searches", async () => {
    const directory = installed(join(root, "start"));
    const notes: string[] = [];
    const set = "steps=3 minutes=null batchSize=8 schedule.warmupSteps=0 device=cpu";
    const { result, text, report } = await quickstart({
      directory,
      set: set.split(" ").map((each) => `train.${each}`),
      precisions: ["float32"],
      note: (line) => notes.push(line),
    });
    assert.equal(result.step, 3);
    assert.match(notes.at(-2) ?? "", /^Training in float32, as no instructions for bfloat16/);
    const { train } = JSON.parse(readFileSync(join(result.directory, "recipe.json"), "utf8")) as {
      train: { precision: string };
    };
    assert.equal(train.precision, "float32");
    assert.ok(!notes.some((line) => line.startsWith("Fetching")));
    assert.match(text, /learned from \d+ icons of 11 things by 17 authors/);
    assert.match(text, /The lucide +\d+\.\d % +\d+\.\d % +9\.1 % +11\n/);
    const html = readFileSync(report, "utf8");
    const order = ["search-1", "summary", "predictions-1", "evaluation"].map((id) =>
      html.indexOf(`<section id="${id}">`),
    );
    assert.ok(
      order.every((place, i) => place > (order[i - 1] ?? 0)),
      String(order),
    );
    assert.match(html, /among all 36 icons of The lucide, The heroicons and The iconoir/);
    assert.match(html, /<q>wifi off<\/q><span class="note">not a name in training; no picture/);
  });
});
