/** Which tower should be larger when the image tower is locked? `limn study lit-size` */
import { defineStudy, type Arm, type Claim } from "limn/study";

import { prepareLit, type LitData } from "./lit-data.ts";
import { chosenOn, litList, litSettings, type TowerSize } from "./lit-recipes.ts";
import { litMetrics, runLit } from "./lit-run.ts";

const imageSizes: Record<string, TowerSize> = {
  small: { width: 32, depth: 1 },
  middle: { width: 64, depth: 2 },
  large: { width: 128, depth: 2 },
};
const textSizes: Record<string, TowerSize> = {
  small: { width: 32, depth: 1 },
  middle: { width: 64, depth: 1 },
  large: { width: 128, depth: 2 },
};
const sizes = ["small", "middle", "large"] as const;

const zeroShot = "vendor/name/top5";
const toText = "vendor/english/imageToText/recall@10";
const toImage = "vendor/english/textToImage/recall@10";

function armName(image: string, text: string): string {
  return `${image}-${text}`;
}

/** Weights of the blocks: 12 width^2 each. */
function weights({ width, depth }: TowerSize): number {
  return 12 * depth * width ** 2;
}

function describe({ width, depth }: TowerSize): string {
  return `width ${width}, depth ${depth}`;
}

export default defineStudy<LitData>({
  name: "lit-size",
  title: "Size of the locked image tower against size of the text tower (LiT)",
  source: "LiT: Zero-Shot Transfer with Locked-image text Tuning, arXiv:2111.07991",
  question:
    "With the image tower pretrained and locked and the text tower from scratch (Lu), which of them should be " +
    "larger? The paper (Figure 7) found that both help and that the image tower matters more: from B/32 to " +
    "L/16 with the base text tower 70.0 to 78.5 % on ImageNet, from the base to the large text tower with " +
    "B/32 70.0 to 71.6 %.",
  seeds: [0, 1, 2],
  secondsPerRun: 15,
  metrics: litMetrics,
  prepare: prepareLit,
  arms: (data) =>
    sizes.flatMap((image) =>
      sizes.map((text): Arm => {
        const [imageSize, textSize] = [imageSizes[image], textSizes[text]] as [
          TowerSize,
          TowerSize,
        ];
        return {
          name: armName(image, text),
          label: `${image} image, ${text} text`,
          factors: {
            image: `${image} (${describe(imageSize)})`,
            text: `${text} (${describe(textSize)})`,
            imageWeights: weights(imageSize),
            textWeights: weights(textSize),
          },
          settings: { ...litSettings(data), imageSize, textSize },
          run: (_, context) =>
            runLit(data, { setting: "Lu", image: imageSize, text: textSize }, context),
        };
      }),
    ),
  settings: (data) => [
    ...litList(data),
    "Every image tower is pretrained as in lit-locking, with the same steps whatever its size.",
    chosenOn,
  ],
  tables: () => [
    {
      kind: "grid",
      title: "Zero-shot top-5 by the size of both towers",
      metric: zeroShot,
      rows: "image",
      columns: "text",
      note: "Rows: image tower; columns: text tower.",
    },
    {
      kind: "grid",
      title: "Image to text, recall@10",
      metric: toText,
      rows: "image",
      columns: "text",
      note: "Rows: image tower; columns: text tower.",
    },
    {
      kind: "arms",
      title: "On the unseen vendor",
      metrics: [zeroShot, "vendor/name/top1", "vendor/category/top1", toText, toImage],
    },
  ],
  figures: (results) => [
    {
      kind: "line",
      name: "zero-shot",
      title: "Zero-shot top-5 on the unseen vendor",
      caption: "One line per text tower.",
      series: results.series({ metric: zeroShot, x: "imageWeights", by: "text" }),
      xLabel: "weights in the image tower's blocks",
      logX: true,
    },
    {
      kind: "line",
      name: "zero-shot-by-text",
      title: "The same over the text tower",
      caption: "One line per image tower.",
      series: results.series({ metric: zeroShot, x: "textWeights", by: "image" }),
      xLabel: "weights in the text tower's blocks",
      logX: true,
    },
  ],
  conclusions: () => claims,
});

const claims: Claim[] = [
  {
    claim: "A larger image tower helps, whatever the text tower (Figure 7).",
    comparisons: sizes.map((text) => ({
      better: armName("large", text),
      worse: armName("small", text),
      metric: zeroShot,
    })),
  },
  {
    claim: "A larger text tower helps, whatever the image tower (Figure 7).",
    comparisons: sizes.map((image) => ({
      better: armName(image, "large"),
      worse: armName(image, "small"),
      metric: zeroShot,
    })),
    why:
      "Behind the smallest image tower a larger text tower has little to gain here: the features that " +
      "it is tuned to are what limits it. In the paper the largest text tower adds about two points " +
      "behind every image tower.",
  },
  {
    claim: "Making the image tower larger helps more than making the text tower larger (Figure 7).",
    comparisons: [
      { better: armName("large", "small"), worse: armName("small", "large"), metric: zeroShot },
      { better: armName("large", "middle"), worse: armName("middle", "large"), metric: zeroShot },
      { better: armName("middle", "small"), worse: armName("small", "middle"), metric: zeroShot },
    ],
    why:
      "All three point the paper's way, by about as much as three seeds can tell. Sizes of the two " +
      "towers are alike here, whereas the paper's image towers span a wider range than its text towers.",
  },
];
