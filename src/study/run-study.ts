/**
 * Runs the arms of a study, seed by seed, and writes its page. Whatever is finished stays: a study
 * that was cut off goes on with the same command.
 */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";

import { atPath, counted, StorageError, UsageError } from "../errors.ts";
import { removeFolder } from "../files/atomic-folder.ts";
import { asOnlyWriter } from "../files/file-lock.ts";
import { readJsonFile } from "../files/regular-file.ts";
import { writeTextAtomically } from "../files/atomic-write.ts";
import { makeFolder } from "../files/storage.ts";
import { catchSignals } from "../torch/index.ts";
import { formatDuration, type ProgressStream } from "../train/log/run-progress.ts";
import { checkTraining } from "../train/train-pair.ts";
import { checkStudy, chooseArms, chooseSeeds } from "./check-study.ts";
import {
  runContext,
  stopIfAsked,
  studyContext,
  StudyInterrupted,
  type StudyContext,
  lockOf,
  removeCheckpoints,
} from "./context.ts";
import { writePage } from "./page.ts";
import { currentCommit, machineLine } from "./measurements.ts";
import { checkOutcome, hashOf, readResult, writeResult, type StoredResult } from "./result-file.ts";
import { StudyResults, type ArmDescription } from "./results.ts";
import type { Arm, Study } from "./define-study.ts";

export interface StudyOptions {
  /** Default `runs/studies/<name>`, with `-smoke` for a smoke run. */
  workdir?: string;
  /** Data that all studies share. Default: `data` beside the workdir. */
  sharedFolder?: string;
  /** Instead of the study's own. */
  seeds?: readonly number[];
  /** Names with `*` and `?`; all when absent. The page shows every arm that is finished. */
  arms?: readonly string[];
  /** Assignments such as `train.batchSize=256` for the recipes. */
  set?: readonly string[];
  /** One seed, two steps: shows that the study runs. */
  smoke?: boolean;
  /** Only writes the page again from the runs that are finished. */
  reportOnly?: boolean;
  /** Where the page goes. Default `docs/studies`; of a smoke run, the workdir. */
  out?: string;
  /** How the page names this study's command, without options. Default `limn study <name>`. */
  command?: string;
  /** Where lines about progress go, and on a terminal the progress of each training. */
  progress?: ProgressStream | undefined;
  /** SIGINT and SIGTERM end the study after the step in hand. */
  handleSignals?: boolean;
}

export interface StudyOutcome {
  workdir: string;
  /** The page, where it was written: not after a signal. */
  page?: string;
  results: StudyResults;
  /** Runs found finished, done now, and left. */
  found: number;
  done: number;
  left: number;
  signal?: number;
}

/** What `study.json` remembers, so that a page can be written without preparing any data. */
interface StudyRecord {
  arms: (ArmDescription & { hash: string })[];
  settings: readonly string[];
  set: readonly string[];
}

/**
 * Runs what is missing of a study and writes `<out>/<name>.md` with its figures and `results.json`.
 *
 * throws  UsageError for a definition, seeds or arms that do not fit; StorageError naming the process that
 *         runs the study already; what a run throws: finished runs stay, and the same call goes on
 */
export async function runStudy<P>(
  study: Study<P>,
  options: StudyOptions = {},
): Promise<StudyOutcome> {
  checkStudy(study);
  const { smoke = false } = options;
  const folder = `${study.name}${smoke ? "-smoke" : ""}`;
  const workdir = options.workdir ?? path.join("runs", "studies", folder);
  const note = (line: string): void => void options.progress?.write(`${line}\n`);
  const session = new Session(study, { ...options, workdir, smoke, note });
  if (options.reportOnly) return session.report({ found: 0, done: 0, left: 0 });
  return asOnlyWriter(workdir, lockOf(workdir), () => session.run());
}

type SessionOptions = StudyOptions & {
  workdir: string;
  smoke: boolean;
  note: (line: string) => void;
};

interface Job {
  arm: Arm;
  seed: number;
  hash: string;
  folder: string;
}

class Session<P> {
  readonly #study: Study<P>;
  readonly #options: SessionOptions;
  /** The code that runs is that which was loaded, whatever is committed meanwhile. */
  #origin: { commit: string | undefined; machine: string } = { commit: undefined, machine: "" };

  constructor(study: Study<P>, options: SessionOptions) {
    this.#study = study;
    this.#options = options;
  }

  async run(): Promise<StudyOutcome> {
    const { handleSignals = false, note } = this.#options;
    const count = { found: 0, done: 0, left: 0 };
    this.#origin = { commit: currentCommit(process.cwd()), machine: machineLine() };
    if (handleSignals) catchSignals(true);
    try {
      const { context, jobs } = await this.#plan();
      const missing = jobs.filter(({ folder, hash }) => readResult(folder)?.hash !== hash);
      count.found = jobs.length - missing.length;
      count.left = missing.length;
      await this.#lookAt(missing);
      this.#announce(count, jobs.length);
      const start = performance.now();
      for (const job of missing) {
        const from = performance.now();
        await this.#runOne(job, context);
        count.done++;
        count.left--;
        const average = (performance.now() - start) / 1000 / count.done;
        const position = `[${count.found + count.done}/${jobs.length}]`;
        const took = formatDuration((performance.now() - from) / 1000);
        const rest = count.left === 0 ? "" : `, about ${formatDuration(average * count.left)} left`;
        note(`${position} ${job.arm.label ?? job.arm.name}, seed ${job.seed}: ${took}${rest}`);
      }
    } catch (error) {
      if (!(error instanceof StudyInterrupted)) throw error;
      const { workdir } = this.#options;
      return { workdir, results: this.#results(), ...count, signal: error.signal };
    } finally {
      if (handleSignals) catchSignals(false);
    }
    return this.report(count);
  }

  async report(count: { found: number; done: number; left: number }): Promise<StudyOutcome> {
    const { workdir, smoke } = this.#options;
    const out = this.#options.out ?? (smoke ? workdir : path.join("docs", "studies"));
    const results = this.#results();
    if (results.runs.length === 0) {
      throw new UsageError(
        `Expected finished runs in ${workdir} but found none; run the study first.`,
      );
    }
    const { settings, set } = this.#record();
    const page = await writePage(this.#study, results, {
      out,
      settings,
      command: this.#command(set),
    });
    return { workdir, page, results, ...count };
  }

  /** Data, arms and the runs that are wanted: all arms of a seed before the next seed. */
  async #plan(): Promise<{ context: StudyContext; jobs: Job[] }> {
    const { workdir, smoke, set = [], note } = this.#options;
    const sharedFolder = this.#options.sharedFolder ?? path.join(path.dirname(workdir), "data");
    makeFolder(workdir);
    const context = studyContext({ workdir, sharedFolder, smoke, set, note });
    const prepared = await this.#study.prepare(context);
    stopIfAsked();
    const arms = this.#study.arms(prepared, context);
    const chosen = chooseArms(arms, this.#options.arms);
    const hashes = new Map(arms.map((arm) => [arm.name, this.#hash(arm)]));
    this.#remember({
      arms: arms.map(({ name, label = name, factors }) => ({
        name,
        label,
        factors,
        hash: hashes.get(name) ?? "",
      })),
      settings: this.#study.settings(prepared),
      set,
    });
    const seeds = chooseSeeds(this.#study.seeds, this.#options);
    const jobs = seeds.flatMap((seed) =>
      chosen.map((arm) => {
        const folder = this.#folder(arm.name, seed);
        return { arm, seed, hash: hashes.get(arm.name) ?? "", folder };
      }),
    );
    return { context, jobs };
  }

  /** A wrong recipe of the last arm is found before the first one trains. */
  async #lookAt(missing: readonly Job[]): Promise<void> {
    const { smoke, set = [] } = this.#options;
    const arms = new Map(missing.map(({ arm, seed }) => [arm, seed]));
    for (const [arm, seed] of arms) {
      const recipe = arm.recipe?.(seed);
      if (recipe === undefined) continue;
      await atPath(`arm ${arm.name}`, () => checkTraining(recipe, { set, smoke }));
    }
  }

  async #runOne({ arm, seed, hash, folder }: Job, shared: StudyContext): Promise<void> {
    const started = path.join(folder, "started.json");
    // What was begun with other settings must not be gone on with.
    if (existsSync(folder) && readHash(started) !== hash) removeRun(folder, started);
    makeFolder(folder);
    writeTextAtomically(started, `${JSON.stringify({ hash })}\n`);
    const { progress } = this.#options;
    const context = runContext(shared, {
      seed,
      folder,
      ...(progress?.isTTY === true ? { progress } : {}),
    });
    const from = performance.now();
    const outcome = await arm.run(seed, context);
    // An arm that overlooked how its training ended has the numbers of no finished run.
    stopIfAsked();
    const { commit, machine } = this.#origin;
    writeResult(folder, {
      arm: arm.name,
      seed,
      hash,
      finished: new Date().toISOString(),
      seconds: Math.round((performance.now() - from) / 100) / 10,
      ...(commit === undefined ? {} : { commit }),
      machine,
      ...checkOutcome(outcome, this.#study.metrics),
    });
    for (const directory of context.trained) removeCheckpoints(directory);
  }

  #announce({ found, left }: { found: number; left: number }, total: number): void {
    const { secondsPerRun, title } = this.#study;
    const budget = formatDuration(secondsPerRun);
    const rest = formatDuration(secondsPerRun * left);
    const { note, workdir, smoke } = this.#options;
    const time = smoke ? "" : `, planned ${budget} each: ${rest}`;
    note(`${title}: ${counted(total, "run")}, ${found} finished, ${left} to do${time}`);
    note(`In ${workdir}; Ctrl-C stops, the same command goes on`);
  }

  /** With the options that change numbers. */
  #command(set: readonly string[]): string {
    const { command = `limn study ${this.#study.name}`, seeds, smoke } = this.#options;
    const quoted = (text: string): string => (/^[\w./=+-]+$/.test(text) ? text : `'${text}'`);
    return [
      command,
      ...(seeds === undefined ? [] : [`--seeds ${seeds.join(",")}`]),
      ...(smoke ? ["--smoke"] : []),
      ...set.map((one) => `--set ${quoted(one)}`),
    ].join(" ");
  }

  #hash({ factors, settings }: Arm): string {
    const { smoke, set = [] } = this.#options;
    return hashOf([this.#study.version ?? 0, factors, settings ?? null, smoke, set]);
  }

  #folder(arm: string, seed: number): string {
    return path.join(this.#options.workdir, "runs", arm, `seed-${seed}`);
  }

  get #recordFile(): string {
    return path.join(this.#options.workdir, "study.json");
  }

  #remember(record: StudyRecord): void {
    writeTextAtomically(this.#recordFile, `${JSON.stringify(record, null, 2)}\n`);
  }

  #record(): StudyRecord {
    if (!existsSync(this.#recordFile)) return { arms: [], settings: [], set: [] };
    return readJsonFile(this.#recordFile) as StudyRecord;
  }

  /** All finished runs that are not stale. */
  #results(): StudyResults {
    const { arms } = this.#record();
    const wanted = chooseSeeds(this.#study.seeds, this.#options);
    const runs = arms.flatMap(({ name, hash }) =>
      wanted.flatMap((seed): StoredResult[] => {
        const result = readResult(this.#folder(name, seed));
        return result?.hash === hash ? [result] : [];
      }),
    );
    const described = arms.map(({ name, label, factors }) => ({ name, label, factors }));
    return new StudyResults(described, runs, this.#study.metrics);
  }
}

/** Throws StorageError for a folder that no study began. */
function removeRun(folder: string, started: string): void {
  if (readdirSync(folder).length > 0 && !existsSync(started)) {
    throw new StorageError(
      folder,
      `Expected a run of a study, or nothing yet, in ${folder} but received other files; choose ` +
        "another --workdir, or move them away (nothing was changed)",
    );
  }
  removeFolder(folder);
}

function readHash(file: string): string | undefined {
  try {
    return (readJsonFile(file) as { hash?: string }).hash;
  } catch {
    return undefined;
  }
}
