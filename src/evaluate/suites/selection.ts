/**
 * Image-caption selection: SugarCrepe (arXiv:2306.14610) and Winoground (arXiv:2204.03162).
 *
 * Both are published as annotations beside pictures that cannot be copied; limn reads them as tables of JSON Lines:
 *
 *     sugar_crepe/val2017/*.jpg      COCO's validation pictures of 2017
 *     sugar_crepe/add_att.jsonl      {"filename", "caption", "negative_caption"} a line: what add_att.json of
 *                                    github.com/RAIVNLab/sugar-crepe has as values (jq -c '.[]' add_att.json)
 *     winoground/images/*.png        facebook/winoground on the hub, behind its terms
 *     winoground/test.jsonl          {"image", "caption", "id"} a line, two lines with the same id an instance
 *
 * Instances are SugarCrepe's own counts, and 400 of Winoground.
 */
import { averageOf, type SetDefinition, type SuiteDefinition } from "./suite.ts";

function sugarCrepe(kind: string, title: string, samples: number): SetDefinition {
  return {
    name: `sugar_crepe/${kind}`,
    title: `SugarCrepe, ${title}`,
    folders: ["sugar_crepe"],
    source: {
      kind: "table",
      file: `${kind}.jsonl`,
      image: "filename",
      caption: "caption",
      root: "val2017",
      // A picture may have several captions, each with a wrong one of its own.
      rowsApart: true,
    },
    tasks: [{ kind: "selection", negatives: "negative_caption" }],
    main: "selection/text",
    samples,
    chance: 0.5,
  };
}

const sugarCrepes: readonly SetDefinition[] = [
  sugarCrepe("add_att", "attribute added", 692),
  sugarCrepe("add_obj", "object added", 2062),
  sugarCrepe("replace_att", "attribute replaced", 788),
  sugarCrepe("replace_obj", "object replaced", 1652),
  sugarCrepe("replace_rel", "relation replaced", 1406),
  sugarCrepe("swap_att", "attributes swapped", 666),
  sugarCrepe("swap_obj", "objects swapped", 245),
];

const winoground: SetDefinition = {
  name: "winoground",
  title: "Winoground",
  folders: ["winoground"],
  source: { kind: "table", file: "test.jsonl", root: "images" },
  tasks: [{ kind: "selection", instance: "id" }],
  main: "selection/group",
  samples: 800,
  // Of four scores in random order: text 1/4, image 1/4, both 1/6.
  chance: 1 / 6,
};

export const selection: SuiteDefinition = {
  name: "selection",
  title: "Image-caption selection",
  summary: "SugarCrepe's seven kinds of wrong captions, and Winoground",
  source: {
    paper: "arXiv:2306.14610, arXiv:2204.03162",
    url: "https://github.com/RAIVNLab/sugar-crepe",
  },
  sets: [...sugarCrepes, winoground],
  averages: [averageOf(sugarCrepes, "sugar_crepe", "SugarCrepe")],
};
