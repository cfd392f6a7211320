/** Next-token prediction: a causal text tower learns captions, its token embedding being the output. */
import { createLoader } from "../../data/loader/loader.ts";
import type { LoaderOptions } from "../../data/loader/options.ts";
import type { Batch } from "../../data/sample.ts";
import { saveTokenizer } from "../../text/index.ts";
import type { Tokenizer } from "../../text/tokenizer-description.ts";
import { saveTower } from "../../checkpoints/tower-folder.ts";
import { evaluating, Module } from "../../nn/module.ts";
import { arange, fromData, linear, scope, type Device, type Tensor } from "../../torch/index.ts";
import type { TextTower } from "../../towers/tower.ts";
import type { NextTokenRecipe } from "../recipe/pretrain-recipe.ts";
import type { TowerTask } from "./tower-trainer.ts";

class LanguageModel extends Module {
  readonly textTower: TextTower;

  constructor(textTower: TextTower) {
    super();
    this.textTower = textTower;
  }

  /** tokens [N, T] -> logits [N, T, V] float32, the output tied to the token embedding. */
  forward(tokens: Tensor): Tensor {
    const hidden = this.textTower.hidden(tokens);
    return linear(hidden, this.textTower.tokenEmbedding.weight.tensor).to("float32");
  }
}

interface NextTokenParts {
  recipe: NextTokenRecipe;
  /** Causal, without a projection. */
  tower: TextTower;
  tokenizer: Tokenizer;
  device: Device;
}

interface Scores {
  /** [] sum of -log p over the predicted tokens. */
  loss: Tensor;
  predicted: number;
  right: number;
}

export class NextToken implements TowerTask {
  readonly model: LanguageModel;
  readonly evaluate: TowerTask["evaluate"];
  readonly #parts: NextTokenParts;

  constructor(parts: NextTokenParts) {
    const { tower, device, recipe } = parts;
    this.#parts = parts;
    this.model = new LanguageModel(tower).to(device);
    const { source } = recipe.evaluate;
    this.evaluate = source === undefined ? null : () => this.#evaluate(source);
  }

  /** Nats per predicted token. */
  loss(batch: Batch): { loss: Tensor; accuracy: number } {
    const { loss, predicted, right } = this.#scores(batch);
    return { loss: loss.mul(1 / predicted), accuracy: right / predicted };
  }

  /** Predicts every token except the first, up to the end of its caption, from those before it. */
  #scores({ tokens, contextLength, lengths }: Batch): Scores {
    const { device } = this.#parts;
    const rows = lengths.length;
    const longest = lengths.reduce((most, one) => Math.max(most, one), 2);
    const ids = fromData(tokens, [rows, contextLength])
      .narrow(1, 0, longest)
      .to("int64")
      .to(device);
    const ends = fromData(lengths, [rows], { device }).to("int64").unsqueeze(1);
    const used = arange(longest - 1, { device })
      .add(1)
      .unsqueeze(0)
      .lt(ends)
      .to("float32");
    const targets = ids.narrow(1, 1, longest - 1);
    const logits = this.model.forward(ids.narrow(1, 0, longest - 1));
    const likelihood = logits.logSoftmax(2).gather(2, targets.unsqueeze(2)).squeeze(2);
    const right = logits.detach().argmax(2).eq(targets).to("float32").mul(used).sum();
    const predicted = lengths.reduce((total, length) => total + Math.max(0, length - 1), 0);
    return { loss: likelihood.mul(used).sum().neg(), predicted, right: right.item() };
  }

  async #evaluate(source: LoaderOptions["source"]): Promise<Record<string, number>> {
    const { recipe, tokenizer } = this.#parts;
    const loader = await createLoader({
      source,
      tokenizer: tokenizer.description,
      batchSize: recipe.evaluate.batchSize,
      mode: "evaluate",
      images: "skip",
    });
    let [loss, predicted, right] = [0, 0, 0];
    try {
      for (let batch = await loader.next(); batch !== null; batch = await loader.next()) {
        const here: Batch = batch;
        const scores = scope(() =>
          evaluating(this.model, "float32", () => {
            const { loss: sum, ...counts } = this.#scores(here);
            return { ...counts, loss: sum.item() };
          }),
        );
        loss += scores.loss;
        predicted += scores.predicted;
        right += scores.right;
      }
    } finally {
      await loader.close();
    }
    const count = Math.max(1, predicted);
    return { "val/loss": loss / count, "val/accuracy": right / count };
  }

  save(folder: string, further?: (folder: string) => Promise<void>): Promise<void> {
    const { tower, tokenizer } = this.#parts;
    return saveTower(folder, {
      side: "text",
      tower,
      furtherFiles: async (partial) => {
        await saveTokenizer(tokenizer, partial);
        await further?.(partial);
      },
    });
  }
}
