/**
 * The 21 classification sets of LIxP (context-aware multimodal pretraining, arXiv:2411.15099), zero-shot.
 *
 * That there are 21 is in the paper's abstract. The names are uncertain: the paper's tables that could be read name six
 * (ImageNet, ImageNet-Sketch, DTD, Food-101, Pets, Cars); this list of 21 has them all, and was not checked against
 * the paper. The paper's main numbers are few-shot, which `limn/adapt` measures; these are its zero-shot ones.
 *
 * Sets without a repository are read from a folder in CLIP_benchmark's layout, with that name. Counts are given where
 * the split is known.
 */
import { dataComp38 } from "./datacomp-38.ts";
import {
  averageOf,
  classified,
  folderName,
  type SetDefinition,
  type SuiteDefinition,
} from "./suite.ts";

const known = new Map(dataComp38.sets.map((one) => [one.name, one]));

function set(key: string, title: string, classes?: number): SetDefinition {
  const same = known.get(key);
  return classified(key, title, {
    folders: same?.folders ?? [
      folderName(key),
      `${folderName(key)}_test`,
      key.replaceAll("/", "-"),
    ],
    hub: same?.hub,
    samples: same?.samples,
    classes: same?.classes ?? classes,
    chance: same?.chance,
  });
}

const sets: readonly SetDefinition[] = [
  set("cub200_2011", "CUB-200-2011", 200),
  set("cars", "Stanford Cars"),
  set("cassava", "Cassava", 5),
  set("vtab/cifar100", "CIFAR-100"),
  set("colorectal_histology", "Colorectal Histology", 8),
  set("domainnet_clipart", "DomainNet ClipArt", 345),
  set("domainnet_infograph", "DomainNet Infograph", 345),
  set("domainnet_quickdraw", "DomainNet Quickdraw", 345),
  set("domainnet_sketch", "DomainNet Sketch", 345),
  set("vtab/dtd", "Describable Textures"),
  set("vtab/eurosat", "EuroSAT"),
  set("food101", "Food-101"),
  set("imagenet1k", "ImageNet 1k"),
  set("imagenet_sketch", "ImageNet Sketch"),
  set("vtab/pets", "Oxford-IIIT Pet"),
  set("places365", "Places365", 365),
  set("plant_village", "PlantVillage", 38),
  set("vtab/resisc45", "RESISC45"),
  set("stanford_dogs", "Stanford Dogs", 120),
  set("sun397", "SUN397"),
  set("uc_merced", "UC Merced", 21),
];

export const lixp21: SuiteDefinition = {
  name: "lixp-21",
  title: "LIxP, 21 sets",
  summary: "classification sets of LIxP's comparison, zero-shot; the names are uncertain",
  source: { paper: "arXiv:2411.15099", url: "https://arxiv.org/abs/2411.15099" },
  sets,
  averages: [averageOf(sets, "average", "Average of 21")],
  notes: ["The paper's 21 sets could not all be read: 15 of the names are an unchecked guess."],
};
