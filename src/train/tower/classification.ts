/** Supervised image classification: an image tower under a linear head, one or several classes each. */
import { createLoader } from "../../data/loader/loader.ts";
import type { SampleOutline } from "../../data/look-through.ts";
import type { LoaderOptions } from "../../data/loader/options.ts";
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import type { Batch } from "../../data/sample.ts";
import { DataError, didYouMean } from "../../errors.ts";
import { answerText, ClassAnswers } from "../../evaluate/class-answers.ts";
import type { ClassDescription, NamedClass } from "../../evaluate/read-classes.ts";
import { formatJson } from "../../files/json-text.ts";
import { writeTextAtomically } from "../../files/atomic-write.ts";
import { normalizePixels, pixelsToTensor } from "../../pair/dual-encoder.ts";
import { saveTower } from "../../checkpoints/tower-folder.ts";
import { Linear } from "../../nn/layers.ts";
import { evaluating, Module } from "../../nn/module.ts";
import { fromData, scope, type Device, type Tensor } from "../../torch/index.ts";
import type { ImageTower } from "../../towers/tower.ts";
import type { RowSource } from "../step/batch-input.ts";
import type { ClassificationRecipe } from "../recipe/pretrain-recipe.ts";
import type { TowerTask } from "./tower-trainer.ts";

class Classifier extends Module {
  readonly imageTower: ImageTower;
  readonly head: Linear;

  constructor(imageTower: ImageTower, classCount: number) {
    super();
    this.imageTower = imageTower;
    this.head = new Linear(imageTower.featureDim, classCount);
  }

  /** pixels [N, 3, S, S] -> logits [N, C] float32 */
  forward(pixels: Tensor): Tensor {
    return this.head.forward(this.imageTower.features(pixels)).to("float32");
  }
}

interface ClassificationParts {
  recipe: ClassificationRecipe;
  /** Without a projection. */
  tower: ImageTower;
  classes: readonly NamedClass[];
  transform: EvaluationTransform;
  device: Device;
}

type Labels = ClassificationRecipe["labels"];

export class Classification implements TowerTask {
  readonly model: Classifier;
  readonly evaluate: TowerTask["evaluate"];
  /** Decoded pictures, where the recipe keeps them. */
  pixels: RowSource | undefined;
  readonly #parts: ClassificationParts;
  readonly #answers: ClassAnswers;

  constructor(parts: ClassificationParts) {
    const { tower, classes, device, recipe } = parts;
    this.#parts = parts;
    this.model = new Classifier(tower, classes.length).to(device);
    this.#answers = new ClassAnswers(classes);
    const { source } = recipe.evaluate;
    this.evaluate = source === undefined ? null : () => this.#evaluate(source);
  }

  loss(batch: Batch): { loss: Tensor; accuracy: number } {
    const { labels } = this.#parts.recipe;
    const logits = this.model.forward(this.#input(batch));
    const targets = this.#targets(batch);
    const accuracy = rightAnswers(logits.detach(), targets) / batch.size;
    const loss =
      labels.separator === undefined
        ? softmaxLoss(logits, targets, labels.smoothing)
        : sigmoidLoss(logits, targets);
    return { loss, accuracy };
  }

  #input(batch: Batch): Tensor {
    const { transform, device } = this.#parts;
    if (this.pixels === undefined) {
      return pixelsToTensor(batch.pixels, batch.imageSize, transform, device);
    }
    return normalizePixels(this.pixels.rows(batch.imageIds, batch.epoch), transform);
  }

  /** float32 [N, C]: 1 for each class of a picture, 0 elsewhere. */
  #targets(batch: Batch): Tensor {
    const { recipe, device } = this.#parts;
    const count = this.#parts.classes.length;
    const values = new Float32Array(batch.size * count);
    for (let i = 0; i < batch.size; i++) {
      for (const name of answersOf(batch, i, recipe.labels)) {
        values[i * count + this.#class(name, batch.keys[i] ?? "")] = 1;
      }
    }
    return fromData(values, [batch.size, count], { device });
  }

  #class(name: string, key: string): number {
    return classNumber(name, key, { answers: this.#answers, classes: this.#parts.classes });
  }

  /** Share of pictures whose likeliest class is one of theirs. */
  async #evaluate(source: LoaderOptions["source"]): Promise<Record<string, number>> {
    const { recipe, transform, device } = this.#parts;
    const { batchSize } = recipe.evaluate;
    const loader = await createLoader({ source, transform, batchSize, mode: "evaluate" });
    let [right, total] = [0, 0];
    try {
      for (let batch = await loader.next(); batch !== null; batch = await loader.next()) {
        const here: Batch = batch;
        right += scope(() =>
          evaluating(this.model, "float32", () => {
            const pixels = pixelsToTensor(here.pixels, here.imageSize, transform, device);
            return rightAnswers(this.model.forward(pixels), this.#targets(here));
          }),
        );
        total += here.size;
      }
    } finally {
      await loader.close();
    }
    return { "val/accuracy": right / Math.max(1, total) };
  }

  async save(folder: string, further?: (folder: string) => Promise<void>): Promise<void> {
    const { tower, classes, transform } = this.#parts;
    await saveTower(folder, {
      side: "image",
      tower,
      evaluationTransform: transform,
      extra: [...this.model.head.namedState("head")],
      furtherFiles: async (partial) => {
        writeTextAtomically(
          `${partial}/classes.json`,
          `${JSON.stringify(classes.map(entryOf), null, 1)}\n`,
        );
        await further?.(partial);
      },
    });
  }
}

/** throws  DataError for a name that no class has */
function classNumber(
  name: string,
  key: string,
  { answers, classes }: { answers: ClassAnswers; classes: readonly NamedClass[] },
): number {
  const found = answers.find(name);
  if (found !== undefined) return found;
  throw new DataError(
    `Expected one of the ${classes.length} classes for sample ${key} but received "${name}": ` +
      `${answers.problem(name)}; add it to labels.classes.${didYouMean(name, labelsOf(classes))}`,
    { source: key },
  );
}

/**
 * A check of one sample before training.
 *
 * throws  DataError for a sample without an answer, or with one that no class has
 */
export function answerCheck(
  labels: Labels,
  classes: readonly NamedClass[],
): (sample: SampleOutline) => void {
  const answers = new ClassAnswers(classes);
  return ({ key, label, meta }) => {
    const one = { keys: [key], labels: [label], metas: [meta ?? {}] };
    for (const name of answersOf(one, 0, labels)) classNumber(name, key, { answers, classes });
  };
}

/** As a file of classes has it. */
function entryOf({ key, names }: NamedClass): ClassDescription {
  return names.length === 1 && names[0] === key ? key : { key, names };
}

function labelsOf(classes: readonly NamedClass[]): string[] {
  return classes.map(({ label }) => label);
}

/** Pictures whose likeliest class is one of theirs. */
function rightAnswers(logits: Tensor, targets: Tensor): number {
  const best = logits.argmax(1).unsqueeze(1);
  return targets.gather(1, best).sum().item();
}

/** mean_i -sum_c t_ic log softmax(z_i)_c, with t smoothed: (1 - e) t + e / C. */
function softmaxLoss(logits: Tensor, targets: Tensor, smoothing: number): Tensor {
  const count = logits.size(1);
  const smooth = smoothing > 0 ? targets.mul(1 - smoothing).add(smoothing / count) : targets;
  return logits.logSoftmax(1).mul(smooth).sum([1]).mean().neg();
}

/** Sigmoid cross-entropy, summed over classes, mean over pictures: sum_c softplus(z) - t z. */
function sigmoidLoss(logits: Tensor, targets: Tensor): Tensor {
  return logits.softplus().sub(logits.mul(targets)).sum([1]).mean();
}

/** A picture's classes. Throws DataError for a sample without an answer. */
function answersOf(
  batch: Pick<Batch, "keys"> & {
    labels?: readonly (string | undefined)[];
    metas?: readonly (Record<string, unknown> | undefined)[];
  },
  i: number,
  { answer, separator }: Pick<Labels, "answer" | "separator">,
): string[] {
  const value = answer === "label" ? batch.labels?.[i] : batch.metas?.[i]?.[answer];
  const text = answerText(value);
  if (text !== undefined) {
    return separator === undefined
      ? [text]
      : text
          .split(separator)
          .map((part) => part.trim())
          .filter((part) => part !== "");
  }
  if (Array.isArray(value) && separator !== undefined) {
    return value.map((one) => answerText(one) ?? String(one));
  }
  const key = batch.keys[i] ?? "";
  throw new DataError(
    `Expected ${answer === "label" ? "a label" : `"${answer}" in the JSON`} for sample ${key} but ` +
      `received ${value === undefined ? "nothing" : formatJson(value)}; set labels.answer to where the classes are`,
    { source: key },
  );
}

/** Every class that a source's samples name, sorted; no picture is decoded. */
export async function classesOf(
  source: LoaderOptions["source"],
  labels: Labels,
): Promise<string[]> {
  const loader = await createLoader({
    source,
    batchSize: 256,
    mode: "evaluate",
    images: "skip",
  });
  const found = new Set<string>();
  try {
    for (let batch = await loader.next(); batch !== null; batch = await loader.next()) {
      for (let i = 0; i < batch.size; i++) {
        for (const name of answersOf(batch, i, labels)) found.add(name);
      }
    }
  } finally {
    await loader.close();
  }
  return [...found].sort();
}
