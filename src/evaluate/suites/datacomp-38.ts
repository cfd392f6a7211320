/**
 * The 38 tasks of DataComp, with its main metrics and averages.
 *
 * Sizes, metrics and chance are those of tasklist.yml, the groups those of aggregate_scores.py (both of
 * github.com/mlfoundations/datacomp). FairFace and UTKFace have no main metric there: they are in no average, and
 * are what `limn audit` is for.
 */
import {
  captioned,
  classified,
  clipBenchmarkHub,
  folderName,
  type SetDefinition,
  type SuiteDefinition,
} from "./suite.ts";

type Options = Parameters<typeof classified>[2];

/** By numbers of samples and classes, and what guessing reaches. */
function set(
  key: string,
  title: string,
  [samples, classes, chance]: readonly [number, number, number?],
  more: Options = {},
): SetDefinition {
  const own = `${folderName(key.replace("fairness/", ""))}_test`;
  return classified(key, title, {
    ...{ samples, classes, chance },
    folders: [own, folderName(key), key.replaceAll("/", "-")],
    hub: `hf://datasets/djghosh/${own}`,
    ...more,
  });
}

const perClass = { metric: "meanPerClass" };

/** The columns of metadata are those of wilds_eval.py and fairness_eval.py. */
const wilds = {
  iwildcam: {
    npyColumns: ["location", "sequence", "year", "month", "day", "hour", "minute", "second", "y"],
    metric: "macroF1",
    // Pictures of one sequence are seconds apart.
    task: { also: ["macroF1"], cluster: "sequence" },
  },
  camelyon17: { npyColumns: ["hospital", "slide", "y"], task: { cluster: "slide" } },
  // The region "Other" is meant to be left out (WILDS, fmow_dataset.py). DataComp's evaluator has no names of regions,
  // so that its published numbers count it, and so does this. The code of "Other" depends on the order of the
  // metadata file; where it is known, { key: "region", ignore: ["<code>"] } leaves it out.
  fmow: {
    npyColumns: ["region", "year", "y"],
    metric: "worstGroup/top1",
    task: { groups: { key: "region" } },
  },
} satisfies Record<string, Options>;

const fairness = {
  dollarStreet: {
    npyColumns: ["income_ds", "income_meta", "region"],
    metric: "worstGroup/top5",
    task: { groups: { key: "income_ds" } },
  },
  geode: {
    npyColumns: ["region", "country"],
    metric: "worstGroup/top1",
    task: { groups: { key: "region" } },
  },
} satisfies Record<string, Options>;

/**
 * DataComp reads Flickr, COCO and WinoGAViL from nlphuji's repositories of zip files and scripts. The same pictures and
 * captions in shards (Karpathy's test splits) are clip-benchmark's; not checked: whether all of COCO's captions beyond
 * the fifth are in both.
 */
const retrieval: readonly SetDefinition[] = [
  captioned("retrieval/flickr_1k_test_image_text_retrieval", "Flickr", {
    samples: 1000,
    folders: ["wds_flickr30k_test", "wds_flickr30k", "flickr_1k_test_image_text_retrieval"],
    hub: clipBenchmarkHub("flickr30k"),
  }),
  captioned("retrieval/mscoco_2014_5k_test_image_text_retrieval", "MSCOCO", {
    samples: 5000,
    folders: [
      "wds_mscoco_captions_test",
      "wds_mscoco_captions",
      "mscoco_2014_5k_test_image_text_retrieval",
    ],
    hub: clipBenchmarkHub("mscoco_captions"),
  }),
  {
    name: "misc/winogavil",
    title: "WinoGAViL",
    // A folder with the pictures, named by their candidates, and a line of { cue, candidates, associations } for
    // each instance. No repository of the hub has it so: unpack nlphuji/winogavil by hand.
    folders: ["winogavil"],
    source: { kind: "folder", directory: "images" },
    tasks: [{ kind: "association", instances: "test.jsonl" }],
    main: "association/jaccard/10-12",
    chance: 0.205,
  },
];

const sets: readonly SetDefinition[] = [
  set("vtab/caltech101", "Caltech-101", [6085, 102, 0.009804], perClass),
  set("cifar10", "CIFAR-10", [10_000, 10, 0.1], {
    folders: ["wds_cifar10_test", "wds_vtab-cifar10", "cifar10"],
  }),
  set("vtab/cifar100", "CIFAR-100", [10_000, 100, 0.01]),
  set("vtab/clevr_count_all", "CLEVR Counts", [15_000, 8, 0.125061]),
  set("vtab/clevr_closest_object_distance", "CLEVR Distance", [15_000, 6, 0.19052]),
  set("country211", "Country211", [21_100, 211, 0.004739]),
  set("vtab/dtd", "Describable Textures", [1880, 47, 0.021277]),
  set("vtab/eurosat", "EuroSAT", [5400, 10, 0.101483]),
  set("fgvc_aircraft", "FGVC Aircraft", [3333, 100, 0.01], perClass),
  set("food101", "Food-101", [25_250, 101, 0.009901]),
  set("gtsrb", "GTSRB", [12_630, 43, 0.037604]),
  set("imagenet1k", "ImageNet 1k", [50_000, 1000, 0.001]),
  set("imagenet_sketch", "ImageNet Sketch", [50_889, 1000, 0.001]),
  set("imagenetv2", "ImageNet v2", [10_000, 1000, 0.001]),
  set("imagenet-a", "ImageNet-A", [7500, 200, 0.008056]),
  set("imagenet-o", "ImageNet-O", [2000, 200, 0.006047]),
  set("imagenet-r", "ImageNet-R", [30_000, 200, 0.006163]),
  set("vtab/kitti_closest_vehicle_distance", "KITTI Vehicle Distance", [711, 4, 0.295289]),
  set("mnist", "MNIST", [10_000, 10, 0.10035]),
  set("objectnet", "ObjectNet", [18_574, 113, 0.009481]),
  set("vtab/flowers", "Oxford Flowers-102", [6149, 102, 0.009804], perClass),
  set("vtab/pets", "Oxford-IIIT Pet", [3669, 37, 0.027027], perClass),
  set("voc2007", "Pascal VOC 2007", [14_976, 20, 0.154038]),
  set("vtab/pcam", "PatchCamelyon", [32_768, 2, 0.5]),
  set("renderedsst2", "Rendered SST2", [1821, 2, 0.500001]),
  set("vtab/resisc45", "RESISC45", [6300, 45, 0.022342]),
  set("cars", "Stanford Cars", [8041, 196, 0.00516]),
  set("stl10", "STL-10", [8000, 10, 0.1]),
  set("sun397", "SUN397", [108_754, 397, 0.004645]),
  set("vtab/svhn", "SVHN", [26_032, 10, 0.117897]),
  ...retrieval,
  set("wilds/iwildcam", "iWildCam", [42_791, 182, 0.143056], wilds.iwildcam),
  set("wilds/camelyon17", "Camelyon17", [85_054, 2, 0.5], wilds.camelyon17),
  set("wilds/fmow", "FMoW", [22_108, 62, 0.027193], wilds.fmow),
  set("fairness/dollar_street", "Dollar Street", [3503, 58], fairness.dollarStreet),
  set("fairness/geode", "GeoDE", [12_488, 40], fairness.geode),
];

/** The 13 that DataComp counts to VTAB; two of VTAB's 19 are there under other names, six are left out. */
export const vtabOfDataComp: readonly string[] = [
  ...sets.filter(({ name }) => name.startsWith("vtab/")).map(({ name }) => name),
  "sun397",
];

export const dataComp38: SuiteDefinition = {
  name: "datacomp-38",
  title: "DataComp, 38 tasks",
  summary:
    "what DataComp's tables average: ImageNet and its shifts, VTAB, retrieval, WILDS, fairness",
  source: { paper: "arXiv:2304.14108", url: "https://github.com/mlfoundations/datacomp" },
  sets,
  averages: [
    { name: "imagenet", title: "ImageNet", of: ["imagenet1k"] },
    {
      name: "shifts",
      title: "ImageNet dist. shifts",
      of: ["imagenet_sketch", "imagenetv2", "imagenet-a", "imagenet-o", "imagenet-r", "objectnet"],
    },
    { name: "vtab", title: "VTAB", of: vtabOfDataComp },
    { name: "retrieval", title: "Retrieval", of: retrieval.map(({ name }) => name) },
    { name: "average", title: "Average of 38", of: sets.map(({ name }) => name) },
  ],
};
