/** NeuCLIP in a recipe. Known from second-hand notes only: docs/objectives.md says what is uncertain. */
import { z } from "zod";

import { CheckpointError } from "../../errors.ts";
import { cat, grad, noGrad, scope, withGrad, zeros, type Tensor } from "../../torch/index.ts";
import { clipLogits } from "../clip.ts";
import {
  declareObjective,
  type ObjectiveContext,
  type ObjectiveInput,
  type ObjectiveOutput,
  type ObjectiveState,
  type TrainingObjective,
  type KeptState,
} from "../objective.ts";
import {
  globalContrastive,
  logWithEpsilon,
  temperatureTerm,
  type Sides,
} from "../shared/global-contrastive.ts";
import { checkBatch, chunkSize } from "../shared/recipe-options.ts";
import { adagradStep, limitedNormalizer, normalizerLoss, prototypeNormalizer } from "./loss.ts";

const schema = z
  .strictObject({
    kind: z.literal("neuclip"),
    prototypes: z.int().min(1).default(4096).describe("m, of each side"),
    innerSteps: z
      .int()
      .min(1)
      .default(10)
      .describe("T_u: AdaGrad steps on the prototypes for each of the towers"),
    restartSteps: z
      .int()
      .min(1)
      .default(500)
      .describe("steps of the towers from one restart of the prototypes to the next"),
    prototypeLearningRate: z.number().gt(0).default(0.01).describe("AdaGrad's; not in the notes"),
    epsilon: z.number().min(0).max(1).default(1e-14).describe("added to every normaliser"),
    rho: z
      .number()
      .min(0)
      .default(6.5)
      .describe("of a learned logit scale, as in FastCLIP v3; not in the notes"),
    ratioLimit: z
      .number()
      .gt(1)
      .default(100)
      .describe("the greatest g / e^a of an anchor in the model's loss: a guard of ours"),
    chunkSize: chunkSize.describe("rows of the logits held at a time (the networks' are N x m)"),
  })
  .describe(
    "NeuCLIP's loss, for which learned prototypes predict denominators over the whole data",
  );

type NeuclipRecipe = z.output<typeof schema>;

export const neuclipObjective = declareObjective({
  schema,
  reads: [],
  logits: () => clipLogits,
  create: (recipe, context) => {
    checkBatch(recipe.kind, context);
    return new Neuclip(recipe, context);
  },
});

const sideNames = ["image", "text"] as const;

/** One network and what it is restarted from; all [m, D]. */
interface Network {
  prototypes: Tensor;
  /** AdaGrad's sums of squares. */
  sums: Tensor;
  /** The most recent embeddings of the other side, from `next` on the oldest. */
  recent: Tensor;
}

class Neuclip implements TrainingObjective, KeptState {
  readonly module = null;
  readonly kept: KeptState = this;
  readonly #recipe: NeuclipRecipe;
  readonly #robust: boolean;
  /** By the anchors' side: the network of images holds prototypes of texts. */
  readonly #networks: { image: Network; text: Network };
  /** Embeddings seen, and model's steps since the last restart; -1 before the first. */
  #seen = 0;
  #sinceRestart = -1;

  constructor(recipe: NeuclipRecipe, context: ObjectiveContext) {
    const { embedDim, device, logitScaleLearned } = context;
    const made = (): Tensor => zeros([recipe.prototypes, embedDim], { device }).keep();
    const network = (): Network => ({ prototypes: made(), sums: made(), recent: made() });
    this.#recipe = recipe;
    this.#robust = logitScaleLearned;
    this.#networks = { image: network(), text: network() };
  }

  compute(input: ObjectiveInput): ObjectiveOutput {
    return scope(() => {
      const { epsilon, rho, ratioLimit } = this.#recipe;
      const { image, text, logitScale } = input;
      noGrad(() => this.#remember(input));
      const result = globalContrastive(image, text, {
        logitScale,
        denominators: (logG) => {
          const a = this.#fit(input, logG);
          return {
            image: limitedNormalizer(a.image, logG.image, ratioLimit),
            text: limitedNormalizer(a.text, logG.text, ratioLimit),
          };
        },
        chunkSize: this.#recipe.chunkSize,
      });
      this.#sinceRestart++;
      const { a, error } = this.#judge(input, result.logG, epsilon);
      const metrics = { temperature: 1 / logitScale.item(), ...error };
      if (!this.#robust) return { loss: result.loss, metrics };
      const scaled = result.loss.mul(logitScale.detach().pow(-1));
      return { loss: scaled.add(temperatureTerm(logitScale, a, rho)), metrics };
    });
  }

  /** Takes the batch's embeddings in, and restarts the prototypes from the recent ones when due. */
  #remember({ image, text }: ObjectiveInput): void {
    const { prototypes: m, restartSteps } = this.#recipe;
    const before = this.#seen;
    for (const [side, others] of [
      ["image", text],
      ["text", image],
    ] as const) {
      remember(this.#networks[side].recent, others.detach(), before % m);
    }
    this.#seen = before + image.size(0);
    // The first start has only one batch; the next comes as soon as there are m embeddings.
    const filled = before < m && this.#seen >= m;
    if (this.#sinceRestart >= 0 && this.#sinceRestart < restartSteps && !filled) return;
    this.#sinceRestart = 0;
    const available = Math.min(this.#seen, m);
    for (const { prototypes, sums, recent } of Object.values(this.#networks)) {
      for (let start = 0; start < m; start += available) {
        const rows = Math.min(available, m - start);
        prototypes.narrow(0, start, rows).copy_(recent.narrow(0, 0, rows));
      }
      sums.zero_();
    }
  }

  /** T_u steps on the prototypes of each side; returns [N] a afterwards. Runs inside noGrad. */
  #fit(input: ObjectiveInput, logG: Sides): Sides {
    const { innerSteps, epsilon, prototypeLearningRate } = this.#recipe;
    const fitted = sideNames.map((side) => {
      const { prototypes, sums } = this.#networks[side];
      const target = logWithEpsilon(logG[side], epsilon);
      for (let k = 0; k < innerSteps; k++) {
        scope(() => {
          const leaf = prototypes.detach().setRequiresGrad(true);
          const loss = withGrad(() => normalizerLoss(this.#normalizer(input, side, leaf), target));
          const [gradient] = grad(loss, [leaf]);
          if (gradient) adagradStep(prototypes, sums, gradient, prototypeLearningRate);
        });
      }
      return this.#normalizer(input, side, prototypes);
    });
    return { image: fitted[0] as Tensor, text: fitted[1] as Tensor };
  }

  #normalizer(input: ObjectiveInput, side: "image" | "text", prototypes: Tensor): Tensor {
    const pairs = input.image.detach().mul(input.text.detach()).sum(1);
    const { epsilon } = this.#recipe;
    const logitScale = input.logitScale.detach();
    return prototypeNormalizer(input[side].detach(), pairs, prototypes, { logitScale, epsilon });
  }

  /** [N] a, and how far it lies from the batch's log(eps + g). */
  #judge(
    input: ObjectiveInput,
    logG: Sides,
    epsilon: number,
  ): { a: Sides; error: { meanLogNormalizer: number; normalizerError: number } } {
    return noGrad(() => {
      const [image, text] = sideNames.map((side) =>
        this.#normalizer(input, side, this.#networks[side].prototypes),
      ) as [Tensor, Tensor];
      const batch = cat(sideNames.map((side) => logWithEpsilon(logG[side], epsilon)));
      const both = cat([image, text]);
      const error = both.sub(batch).abs().mean().item();
      return {
        a: { image, text },
        error: { meanLogNormalizer: both.mean().item(), normalizerError: error },
      };
    });
  }

  state(): ObjectiveState {
    return {
      tensors: this.#tensors(),
      json: { kind: "neuclip", seen: this.#seen, sinceRestart: this.#sinceRestart },
    };
  }

  #tensors(): [string, Tensor][] {
    return sideNames.flatMap((side) =>
      Object.entries(this.#networks[side]).map(
        ([name, tensor]: [string, Tensor]): [string, Tensor] => [`${side}.${name}`, tensor],
      ),
    );
  }

  restore(tensors: ReadonlyMap<string, Tensor>, json: unknown, source: string): void {
    const state = stateSchema.safeParse(json);
    const own = this.#tensors();
    const wrong = own.filter(
      ([name, { shape }]) => tensors.get(name)?.shape.join() !== shape.join(),
    );
    if (!state.success || wrong.length > 0 || tensors.size !== own.length) {
      throw new CheckpointError(
        source,
        `Expected the networks of a neuclip objective with ${this.#recipe.prototypes} prototypes in ` +
          `${source} but received ${[...tensors.keys()].join(", ") || "no tensors"}; ` +
          "resume with the recipe that the run began with",
      );
    }
    noGrad(() => {
      for (const [name, tensor] of own) tensor.copy_(tensors.get(name) as Tensor);
    });
    this.#seen = state.data.seen;
    this.#sinceRestart = state.data.sinceRestart;
  }

  dispose(): void {
    for (const [, tensor] of this.#tensors()) tensor.dispose();
  }
}

const stateSchema = z.strictObject({
  kind: z.literal("neuclip"),
  seen: z.int().min(0),
  sinceRestart: z.int().min(-1),
});

/** Writes the last rows of `fresh` into the ring from row `at` on. */
function remember(ring: Tensor, fresh: Tensor, at: number): void {
  const size = ring.size(0);
  const skipped = Math.max(0, fresh.size(0) - size);
  let [from, to] = [skipped, (at + skipped) % size];
  while (from < fresh.size(0)) {
    const rows = Math.min(fresh.size(0) - from, size - to);
    ring.narrow(0, to, rows).copy_(fresh.narrow(0, from, rows));
    [from, to] = [from + rows, (to + rows) % size];
  }
}
