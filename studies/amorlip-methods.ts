/**
 * The objectives that are compared, each with its published settings fitted to small data: what is
 * counted in epochs or thousands of steps there is a share of the run here.
 */
import type { Recipe } from "limn";

type Objective = NonNullable<Recipe["objective"]>;
type Logits = NonNullable<Recipe["logits"]>;

export interface Method {
  name: string;
  label: string;
  /** For steps of so many pairs, and so many of them in the run. */
  settings: (batchSize: number, steps: number) => { objective: Objective; logits?: Logits };
  /** What was tried besides the choice, at 128 pairs, with seed 9, on validation pictures. */
  tried: string;
}

/** Segments of the run that count as an epoch of AmorLIP's networks: 33 in the paper. */
const epochs = 8;

function amorlip(
  amortization: "l2Log" | "js",
): (batchSize: number, steps: number) => { objective: Objective } {
  return (batchSize, steps) => ({
    objective: {
      kind: "amorlip",
      amortization,
      epochSteps: Math.max(2, Math.floor(steps / epochs)),
      betaDecayEpochs: epochs / 2,
      startAtTarget: true,
      rho: [8.5, 8.5, -8.5],
      // The published 8 belongs to batches of 1,024, the published 1 to epochs of 3,900 steps.
      onlineInterval: Math.max(1, Math.round(256 / batchSize)),
    },
  });
}

export const methods: readonly Method[] = [
  {
    name: "clip",
    label: "CLIP",
    settings: () => ({ objective: { kind: "softmax" } }),
    tried:
      "learning rates of 1.5e-3, 3e-3 (alike) and 6e-3 (worse) at 128 pairs, 7.5e-4 and 1.5e-3 at 32, 2.1e-3 to 8.5e-3 at 1,024; the largest with towers of two blocks",
  },
  {
    name: "siglip",
    label: "SigLIP",
    // The odds of a pair, as the published -10 is in batches of 32,768.
    settings: (batchSize) => ({
      objective: { kind: "sigmoid" },
      logits: { bias: -Math.log(batchSize) },
    }),
    tried:
      "the published bias of -10 (worse); a first scale of 1 / 0.07 at 1,024 pairs (no learning)",
  },
  {
    name: "sogclr",
    label: "SogCLR",
    settings: () => ({
      objective: { kind: "sogclr" },
      logits: { scale: { init: 1 / 0.07, learned: false } },
    }),
    tried: "temperatures of 0.05 and 0.035 (alike and worse); gamma 0.4 (alike)",
  },
  {
    name: "fastclip",
    label: "FastCLIP v3",
    settings: () => ({ objective: { kind: "fastclip", version: 3, gammaMin: 0.8 } }),
    tried: "the default gammaMin of 0.2 (worse); rho 2 (alike)",
  },
  {
    name: "amorlip-l2",
    label: "AmorLIP, l2-log",
    settings: amorlip("l2Log"),
    tried:
      "rho 8.5 throughout, and 0 (alike); a networks' learning rate of 0.01 with emaDecay 0.5 (alike)",
  },
  {
    name: "amorlip-js",
    label: "AmorLIP, f-divergence (JS)",
    settings: amorlip("js"),
    tried: "kl (alike)",
  },
  {
    name: "neuclip",
    label: "NeuCLIP",
    settings: (_, steps) => ({
      objective: { kind: "neuclip", prototypes: 512, restartSteps: Math.ceil(steps / 8) },
    }),
    tried: "rho 2 (alike)",
  },
];
