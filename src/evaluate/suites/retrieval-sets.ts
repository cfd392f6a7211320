/**
 * Retrieval in both directions: Flickr30k, Flickr8k and COCO (Karpathy's test splits, arXiv:1412.2306), and
 * Crossmodal-3600 (arXiv:2205.12522) in each of its 36 languages.
 *
 * Crossmodal-3600 comes as one file of captions in all languages, beside its pictures. limn reads a table for each language:
 *
 *     crossmodal3600/images/*.jpg
 *     crossmodal3600/de.jsonl        {"image": "<key>.jpg", "captions": ["...", "..."]} a line
 *     jq -c '{image: (."image/key" + ".jpg"), captions: .de.caption}' captions.jsonl > de.jsonl
 */
import { captionSets } from "./clip-benchmark.ts";
import { averageOf, type SetDefinition, type SuiteDefinition } from "./suite.ts";

const languages = [
  ..."ar bn cs da de el en es fa fi fil fr he hi hr hu id it".split(" "),
  ..."ja ko mi nl no pl pt quz ro ru sv sw te th tr uk vi zh".split(" "),
];

const crossmodal = languages.map((language): SetDefinition => ({
  name: `crossmodal3600/${language}`,
  title: `Crossmodal-3600, ${language}`,
  folders: ["crossmodal3600"],
  source: { kind: "table", file: `${language}.jsonl`, caption: "captions", root: "images" },
  tasks: [{ kind: "retrieval", language }],
  main: "retrieval/meanRecall@1",
  samples: 3600,
}));

export const retrievalSets: SuiteDefinition = {
  name: "retrieval",
  title: "Retrieval",
  summary: "Flickr, COCO, and Crossmodal-3600 in 36 languages",
  source: {
    paper: "arXiv:1412.2306, arXiv:2205.12522",
    url: "https://google.github.io/crossmodal-3600/",
  },
  sets: [...captionSets, ...crossmodal],
  averages: [
    averageOf(captionSets, "english", "Flickr and COCO"),
    averageOf(crossmodal, "languages", "Crossmodal-3600, mean of 36 languages"),
  ],
};
