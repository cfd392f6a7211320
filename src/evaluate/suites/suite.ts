/** A suite as data: its sets, what is measured on each, and the averages over them. Opens no file. */
import type { SourceSpec } from "../../data/sources/source-spec.ts";
import type { AverageOf } from "../evaluate-suite.ts";
import type { SuiteTask } from "../tasks/index.ts";

/** A task of any kind; what a set of CLIP_benchmark says of itself, its classes and templates, may be left out. */
export type TaskDefinition = {
  [Kind in SuiteTask["kind"]]: Partial<Extract<SuiteTask, { kind: Kind }>> & { kind: Kind };
}[SuiteTask["kind"]];

export interface SetDefinition {
  /** Unique in its suite; of published sets CLIP_benchmark's key, such as `vtab/pets`. */
  readonly name: string;
  readonly title: string;
  /** Names that its folder may have under a root; the first that is there is taken. */
  readonly folders: readonly string[];
  /** A path, or `hf://datasets/...`, of a set that lies under no root. */
  readonly at?: string | undefined;
  /** `hf://datasets/...` that holds what the folder should. */
  readonly hub?: string | undefined;
  /** How the folder is read, paths from there; in the layout of CLIP_benchmark when absent. */
  readonly source?: SourceSpec | undefined;
  /** Of a set in that layout. Default `test`. */
  readonly split?: string | undefined;
  /** Names of the numbers in `key.npy`. */
  readonly npyColumns?: readonly string[] | undefined;
  /** By default the one that the set's kind asks for. */
  readonly tasks: readonly TaskDefinition[];
  /** `<task>/<path>` of the number that stands for the set. */
  readonly main?: string | undefined;
  /** As published, of the split. */
  readonly samples?: number | undefined;
  readonly classes?: number | undefined;
  /** As CLIP_benchmark has them for the set. */
  readonly templates?: number | undefined;
  /** What guessing reaches in the main number, as published. */
  readonly chance?: number | undefined;
}

export interface SuiteDefinition {
  readonly name: string;
  readonly title: string;
  /** One sentence for those who choose among suites. */
  readonly summary: string;
  /** Where the list and its numbers come from. */
  readonly source: { readonly paper: string; readonly url: string };
  readonly sets: readonly SetDefinition[];
  readonly averages: readonly AverageOf[];
  /** What a reader of its results must know, in sentences. */
  readonly notes?: readonly string[];
}

type Facts = Pick<
  SetDefinition,
  "samples" | "classes" | "chance" | "npyColumns" | "folders" | "hub" | "split"
>;

interface Classification extends Partial<Facts> {
  /** Path of the zero-shot metric that stands for the set. Default `top1`. */
  readonly metric?: string;
  readonly task?: Omit<Extract<TaskDefinition, { kind: "zeroShot" }>, "kind">;
}

/** Templates of CLIP_benchmark for a set (en_zeroshot_classification_templates.json of 1.6), by the key's last part. */
const templateCounts: Readonly<Record<string, number>> = {
  ...{ caltech101: 34, cifar10: 18, cifar100: 18, cars: 8, country211: 5, dtd: 8, eurosat: 3 },
  ...{ fer2013: 6, fgvc_aircraft: 2, flowers: 1, food101: 1, gtsrb: 3, mnist: 1, pcam: 2, pets: 1 },
  ...{ renderedsst2: 1, resisc45: 4, stl10: 2, sun397: 2, svhn: 6, voc2007: 1 },
  ...{ voc2007_multilabel: 1, clevr_count_all: 1, clevr_closest_object_distance: 1, dmlab: 1 },
  ...{ diabetic_retinopathy: 1, kitti_closest_vehicle_distance: 1, smallnorb_label_azimuth: 4 },
  ...{ smallnorb_label_elevation: 4, dsprites_label_orientation: 4, dsprites_label_x_position: 1 },
  imagenet1k: 80,
};
/** Sets of ImageNet's classes have its templates. */
const imageNets = [
  "imagenetv2",
  "imagenet_sketch",
  "imagenet-a",
  "imagenet-r",
  "imagenet-o",
  "objectnet",
];

/** How many templates CLIP_benchmark has for a set; undefined where it has none of its own. */
export function templatesOf(key: string): number | undefined {
  const name = key.slice(key.lastIndexOf("/") + 1);
  return templateCounts[imageNets.includes(name) ? "imagenet1k" : name];
}

/** A set of pictures with one label each. */
export function classified(
  name: string,
  title: string,
  { metric = "top1", task = {}, ...facts }: Classification,
): SetDefinition {
  return {
    ...{ name, title, folders: [], templates: templatesOf(name) },
    ...facts,
    tasks: [{ kind: "zeroShot", ...task }],
    main: `zeroShot/${metric}`,
  };
}

/** A set of pictures with captions. */
export function captioned(name: string, title: string, facts: Partial<Facts>): SetDefinition {
  return {
    ...{ name, title, folders: [] },
    ...facts,
    tasks: [{ kind: "retrieval" }],
    main: "retrieval/meanRecall@1",
  };
}

/** A plain mean over all sets of a list. */
export function averageOf(sets: readonly SetDefinition[], name: string, title: string): AverageOf {
  return { name, title, of: sets.map((set) => set.name) };
}

/** `wds_vtab-pets` of `vtab/pets`, as CLIP_benchmark calls a set's folder. */
export function folderName(key: string): string {
  return `wds_${key.replaceAll("/", "-")}`;
}

/** Where sets of LAION's organisation lie. */
export function clipBenchmarkHub(key: string): string {
  return `hf://datasets/clip-benchmark/${folderName(key)}`;
}
