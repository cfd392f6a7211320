/** The one list of commands. Each is imported when it is called. */
import type { Command } from "./command.ts";

export interface CommandRow {
  readonly summary: string;
  readonly load: () => Promise<{ default: Command }>;
}

export interface GroupRow {
  readonly summary: string;
  readonly commands: CommandTable;
}

export type CommandTable = Readonly<Record<string, CommandRow | GroupRow>>;

export const commands: CommandTable = {
  setup: {
    summary: "find or fetch libtorch and build the engine",
    load: () => import("./commands/setup.ts"),
  },
  doctor: {
    summary: "what this machine has, how fast it is and what is wrong",
    load: () => import("./commands/doctor.ts"),
  },
  train: {
    summary: "train a recipe, or go on with a run",
    load: () => import("./commands/train.ts"),
  },
  pretrain: {
    summary: "train one tower, to be locked or fine-tuned in a pair",
    load: () => import("./commands/pretrain.ts"),
  },
  eval: {
    summary: "zero-shot classification and retrieval of a model",
    load: () => import("./commands/eval.ts"),
  },
  compare: {
    summary: "two models on the same items: which is better, and how sure that is",
    load: () => import("./commands/compare.ts"),
  },
  audit: {
    summary: "how a model treats the groups of a set: accuracy, faces, skew, associations",
    load: () => import("./commands/audit.ts"),
  },
  suite: {
    summary: "the suites that papers report, and your own",
    commands: {
      list: {
        summary: "suites, their sets, and what is there of them",
        load: () => import("./commands/suite-list.ts"),
      },
      fetch: {
        summary: "bring the sets of a suite from the hub",
        load: () => import("./commands/suite-fetch.ts"),
      },
      check: {
        summary: "whether the sets of a suite are there and whole",
        load: () => import("./commands/suite-check.ts"),
      },
      run: {
        summary: "measure a model on every set of a suite",
        load: () => import("./commands/suite-run.ts"),
      },
    },
  },
  classify: {
    summary: "name pictures among labels of your own",
    load: () => import("./commands/classify.ts"),
  },
  embed: {
    summary: "embed a source's pictures into .npy files and Parquet metadata",
    load: () => import("./commands/embed.ts"),
  },
  info: {
    summary: "architecture, parameters, preprocessing and tokenizer of a model",
    load: () => import("./commands/info.ts"),
  },
  convert: {
    summary: "write a model in another layout",
    load: () => import("./commands/convert.ts"),
  },
  interpolate: {
    summary: "a model between its original and its fine-tuned weights",
    load: () => import("./commands/interpolate.ts"),
  },
  quickstart: {
    summary: "train a small CLIP on icons and see what it learned",
    load: () => import("./commands/quickstart.ts"),
  },
  study: {
    summary: "run a paper's comparison at a small scale, with several seeds",
    load: () => import("./commands/study.ts"),
  },
  data: {
    summary: "pack, inspect and clean pairs of images and captions",
    commands: {
      pack: {
        summary: "pack pairs into WebDataset shards",
        load: () => import("./commands/data-pack.ts"),
      },
      inspect: {
        summary: "counts, sizes, bad samples and a contact sheet of a source",
        load: () => import("./commands/data-inspect.ts"),
      },
      dedupe: {
        summary: "near-duplicates within a set and against evaluation sets",
        load: () => import("./commands/data-dedupe.ts"),
      },
    },
  },
  tokenizer: {
    summary: "train a vocabulary",
    commands: {
      train: {
        summary: "train a vocabulary on your captions",
        load: () => import("./commands/tokenizer-train.ts"),
      },
    },
  },
};
