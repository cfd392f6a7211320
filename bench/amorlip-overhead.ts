/**
 * What AmorLIP adds to a step of CLIP, in percent: the objective alone on both sides at the published
 * batches, over the time of whole ViT-B/32 steps per pair. Beside it the paper's figure on an H100.
 */
import { clipConfig } from "../dist/src/pair/published.js";
import { DualEncoder } from "../dist/src/pair/dual-encoder.js";
import { AdamW } from "../dist/src/optimize/adamw.js";
import { parameterGroups } from "../dist/src/optimize/groups.js";
import { softmaxContrastive } from "../dist/src/objectives/clip.js";
import {
  backward,
  libtorchVersion,
  manualSeed,
  rand,
  randn,
  scope,
  setThreadCount,
  tensor,
  type Tensor,
} from "../dist/src/torch/index.js";
import { usableCores } from "../dist/src/files/cores.js";
import { amorlipSchema, createAmorlip } from "../dist/src/objectives/amorlip/training.js";
import { commit, rounded, seconds, type BenchResult } from "./result.ts";

/** Of the steps that are timed whole; captions as long as people write them. */
const batchSize = 32;
const captionLength = 20;
const embedDim = 512;
const rounds = 4;
const interval = 8;
/** arXiv:2505.18983, Table 2: percent of CLIP's step at an interval of 1 and of 8, batch 1,024. */
const paper = { 1: 4.47, 8: 2.16 };

interface Pairs {
  image: Tensor;
  text: Tensor;
  logitScale: Tensor;
}

export function run(): Promise<BenchResult> {
  const threads = usableCores();
  setThreadCount(threads);
  const perPair = stepSecondsPerPair();
  const notes: Record<string, string> = {};
  let first = NaN;
  for (const size of [1024, 2048]) {
    const { clip, added } = measure(size);
    notes[`CLIP's objective, ${size} pairs`] = `${rounded(clip)} s`;
    for (const [name, more] of added) {
      const percent = (100 * more) / (perPair * size);
      if (Number.isNaN(first)) first = percent;
      notes[`${name}, ${size} pairs`] = `${rounded(percent)} % (${rounded(more)} s more)`;
    }
  }
  return Promise.resolve({
    name: "amorlip-overhead",
    limn: rounded(first),
    peer: paper[1],
    unit: "% of a step of CLIP",
    ratio: rounded(paper[1] / first),
    commit: commit(),
    notes: {
      what: `l2Log at interval 1, 1,024 pairs, ViT-B/32, float32, ${threads} threads; best of ${rounds}`,
      paper: `arXiv:2505.18983, Table 2: RN50, 1,024 pairs, one H100 (${paper[8]} % at interval 8)`,
      "step of CLIP": `${rounded(1000 * perPair)} ms per pair, from steps of ${batchSize}`,
      ...notes,
      "libtorch of limn": libtorchVersion(),
    },
  });
}

/** Of whole steps of CLIP: forward, objective, backward, AdamW. */
function stepSecondsPerPair(): number {
  manualSeed(1);
  const model = new DualEncoder(clipConfig("ViT-B/32"));
  const optimizer = new AdamW(parameterGroups(model, { weightDecay: 0.2 }));
  const pixels = randn([batchSize, 3, 224, 224]);
  const tokens = rand([batchSize, captionLength]).mul(49_000).to("int64");
  const step = (): void =>
    scope(() => {
      const [image, text] = [model.encodeImages(pixels), model.encodeTexts(tokens)];
      backward(softmaxContrastive(image, text, { logitScale: model.logitScale() }));
      optimizer.step(1e-6);
      optimizer.zeroGrad();
    });
  step();
  const best = Math.min(...[1, 2, 3].map(() => seconds(step)));
  optimizer.dispose();
  model.dispose();
  return best / batchSize;
}

/** Seconds of CLIP's objective, forward and backward, and how many each form of AmorLIP adds. */
function measure(size: number): { clip: number; added: [string, number][] } {
  manualSeed(1);
  const unit = (x: Tensor): Tensor => x.div(x.norm([1], true));
  const leaf = (): Tensor =>
    scope(() => unit(randn([size, embedDim])).detach()).setRequiresGrad(true);
  const pairs = { image: leaf(), text: leaf(), logitScale: tensor(14).setRequiresGrad(true) };
  const forms = [1, interval].flatMap((onlineInterval) =>
    (["l2Log", "kl"] as const).map((amortization) => ({
      name: `${amortization} at interval ${onlineInterval}`,
      steps: amorlipSteps(pairs, { amortization, onlineInterval }),
      best: Infinity,
    })),
  );
  let clip = Infinity;
  // In turn, and the best of several: what else the machine does only ever slows.
  for (let round = 0; round < rounds; round++) {
    clip = Math.min(
      clip,
      seconds(() => clipStep(pairs)),
    );
    for (const form of forms) form.best = Math.min(form.best, seconds(form.steps) / interval);
  }
  const added = forms.map(({ name, best }): [string, number] => [name, best - clip]);
  return { clip, added };
}

function clipStep({ image, text, logitScale }: Pairs): void {
  scope(() => backward(softmaxContrastive(image, text, { logitScale })));
}

/** Eight steps behind the first epoch, so that the older network takes part; of them 8 or 1 with updates. */
function amorlipSteps(
  { image, text, logitScale }: Pairs,
  setting: { amortization: string; onlineInterval: number },
): () => void {
  const size = image.size(0);
  const recipe = amorlipSchema.parse({ kind: "amorlip", epochSteps: interval, ...setting });
  const objective = createAmorlip(recipe, {
    device: "cpu",
    embedDim,
    batchSize: size,
    steps: 1_000_000,
    hasLogitBias: false,
    logitScaleInit: 14,
    logitScaleLearned: true,
    scratchFolder: "none",
  });
  let step = interval - 1;
  const once = (): void =>
    scope(() => {
      const rows = { image, text, rawImage: image, rawText: text };
      const input = {
        ...rows,
        logitScale,
        logitBias: null,
        ids: [],
        step,
        position: step,
        epoch: 0,
      };
      step++;
      backward(objective.compute(input).loss);
    });
  once();
  return () => {
    for (let i = 0; i < interval; i++) once();
  };
}
