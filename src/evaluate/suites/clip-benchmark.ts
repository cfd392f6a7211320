/**
 * The sets of CLIP_benchmark that LAION keeps in shards (benchmark/webdatasets.txt of
 * github.com/LAION-AI/CLIP_benchmark, 40 lines), and its multi-label VOC.
 *
 * Counts are DataComp's where it has the set. The others are of the sets' test splits as their authors or VTAB's code
 * give them, and were not counted in the shards: FER2013, VOC of several labels, Diabetic Retinopathy, DMLab, dSprites,
 * smallNORB, Flickr8k.
 */
import { dataComp38 } from "./datacomp-38.ts";
import {
  averageOf,
  captioned,
  classified,
  clipBenchmarkHub,
  folderName,
  templatesOf,
  type SetDefinition,
  type SuiteDefinition,
} from "./suite.ts";

const known = new Map(dataComp38.sets.map((one) => [one.name, one]));

const places = (key: string): Pick<SetDefinition, "folders" | "hub"> => ({
  folders: [folderName(key), `${folderName(key)}_test`, key.replaceAll("/", "-")],
  hub: clipBenchmarkHub(key),
});

/** By top-1, as CLIP_benchmark's tables have it. */
function set(key: string, title?: string, counts?: readonly [number, number]): SetDefinition {
  const same = known.get(key) ?? known.get(key.replace("vtab/", ""));
  const [samples = same?.samples, classes = same?.classes] = counts ?? [];
  return classified(key, title ?? same?.title ?? key, {
    ...{ samples, classes, chance: same?.chance },
    ...places(key),
  });
}

const pairs = (key: string, title: string, samples: number): SetDefinition =>
  captioned(key, title, { samples, ...places(key) });

export const captionSets: readonly SetDefinition[] = [
  pairs("mscoco_captions", "MSCOCO", 5000),
  pairs("flickr8k", "Flickr8k", 1000),
  pairs("flickr30k", "Flickr30k", 1000),
];

const imagenets = [
  "imagenet1k",
  "imagenetv2",
  "imagenet_sketch",
  "imagenet-a",
  "imagenet-r",
  "imagenet-o",
  "objectnet",
];

const vtabSets: readonly SetDefinition[] = [
  set("vtab/caltech101"),
  set("vtab/cifar100"),
  set("vtab/clevr_count_all"),
  set("vtab/clevr_closest_object_distance"),
  set("vtab/diabetic_retinopathy", "Diabetic Retinopathy", [42_670, 5]),
  set("vtab/dmlab", "DMLab", [22_735, 6]),
  set("vtab/dsprites_label_orientation", "dSprites Orientation", [73_728, 40]),
  set("vtab/dsprites_label_x_position", "dSprites x Position", [73_728, 32]),
  set("vtab/dtd"),
  set("vtab/eurosat"),
  set("vtab/kitti_closest_vehicle_distance"),
  set("vtab/flowers"),
  set("vtab/pets"),
  set("vtab/pcam"),
  set("vtab/resisc45"),
  set("vtab/smallnorb_label_azimuth", "smallNORB Azimuth", [12_150, 18]),
  set("vtab/smallnorb_label_elevation", "smallNORB Elevation", [12_150, 9]),
  set("sun397"),
  set("vtab/svhn"),
];

const sets: readonly SetDefinition[] = [
  ...captionSets,
  ...imagenets.map((key) => set(key)),
  set("fer2013", "FER2013", [7178, 7]),
  set("voc2007"),
  {
    ...{ name: "voc2007_multilabel", title: "Pascal VOC 2007, several labels" },
    ...places("voc2007_multilabel"),
    ...{ samples: 4952, classes: 20, templates: templatesOf("voc2007_multilabel") },
    tasks: [{ kind: "multilabel" }],
    main: "multilabel/mAP",
  },
  ...["cars", "fgvc_aircraft", "mnist", "stl10", "gtsrb", "country211", "renderedsst2"].map((key) =>
    set(key),
  ),
  ...vtabSets,
  set("vtab/cifar10", "CIFAR-10"),
  // Not among VTAB's 19.
  set("vtab/dsprites_label_y_position", "dSprites y Position", [73_728, 32]),
];

export const clipBenchmark: SuiteDefinition = {
  name: "clip-benchmark",
  title: "CLIP_benchmark",
  summary: "the sets that LAION keeps in shards: ImageNets, VTAB's 19, retrieval and others",
  source: { paper: "arXiv:2212.07143", url: "https://github.com/LAION-AI/CLIP_benchmark" },
  sets,
  averages: [
    averageOf(vtabSets, "vtab", "VTAB, 19 sets"),
    {
      name: "robustness",
      title: "ImageNet robustness",
      of: ["imagenetv2", "imagenet_sketch", "imagenet-a", "imagenet-r", "objectnet"],
    },
    averageOf(captionSets, "retrieval", "Retrieval"),
  ],
};
