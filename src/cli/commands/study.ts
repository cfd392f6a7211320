/** `limn study`: run a paper's comparison at a small scale, with several seeds. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { didYouMean, UsageError } from "../../errors.ts";
import { checkStudy } from "../../study/check-study.ts";
import { runStudy } from "../../study/run-study.ts";
import { packageRoot } from "../../engine/engine-info.ts";
import { defineCommand, type Command } from "../command.ts";
import { loadFile } from "../options/load-file.ts";
import { describeStudy, studyJson } from "../print/study-result.ts";

const command: Command = defineCommand({
  name: "study",
  summary:
    "Runs a paper's comparison at a small scale, with several seeds, and writes its page.\n" +
    "Finished runs stay: after Ctrl-C the same command goes on.",
  usage: "<name>",
  options: {
    seeds: { type: "string", value: "<n,n,n>", help: "instead of the study's own" },
    arms: { type: "string", multiple: true, value: "<glob>", help: "only these, such as 'lit-*'" },
    set: { type: "string", multiple: true, value: "<path=value>", help: "change one recipe value" },
    smoke: { type: "boolean", help: "one seed and two steps, to see that it runs" },
    "report-only": { type: "boolean", help: "write the page again from what is finished" },
    workdir: { type: "string", value: "<folder>", help: "default runs/studies/<name>" },
    out: { type: "string", value: "<folder>", help: "of the page; default docs/studies" },
  },
  examples: [
    "limn study lit-locking",
    "limn study lit-locking --seeds 0,1,2 --arms 'locked-*'",
    "limn study ./my-study.ts --workdir runs/mine --out runs/mine",
  ],
  async run({ options, operands, print, json }) {
    const study = await loadFile(studyFile(operands[0] ?? ""));
    checkStudy(study);
    const { seeds, workdir, out } = options;
    const command = `limn study ${operands[0]}`;
    const result = await runStudy(study, {
      command,
      ...(seeds === undefined ? {} : { seeds: readSeeds(seeds) }),
      ...(workdir === undefined ? {} : { workdir }),
      ...(out === undefined ? {} : { out }),
      arms: options.arms ?? [],
      set: options.set ?? [],
      smoke: options.smoke ?? false,
      reportOnly: options["report-only"] ?? false,
      handleSignals: true,
      ...(json ? {} : { progress: process.stderr }),
    });
    print(describeStudy(study, result), studyJson(study, result));
    return result.signal === undefined ? 0 : 128 + result.signal;
  },
});
export default command;

/** A study of limn's own by its name, any other by its file. */
function studyFile(name: string): string {
  if (/[\\/.]/.test(name)) return name;
  const folder = path.join(packageRoot(), "studies");
  const file = path.join(folder, `${name}.ts`);
  if (existsSync(file)) return file;
  const names = (existsSync(folder) ? readdirSync(folder) : [])
    .filter((one) => one.endsWith(".ts"))
    .filter((one) => readFileSync(path.join(folder, one), "utf8").includes("export default"))
    .map((one) => one.slice(0, -3));
  const near = didYouMean(name, names) || ` There are: ${names.join(", ") || "none"}.`;
  throw new UsageError(`Expected a study or a file for <name> but received "${name}".${near}`);
}

function readSeeds(text: string): number[] {
  if (/^\d+(,\d+)*$/.test(text)) return text.split(",").map(Number);
  throw new UsageError(`Expected seeds such as 0,1,2 for --seeds but received "${text}".`);
}
