/**
 * Zero-shot classifier weights: one direction per class, from the texts that stand for it.
 * The text tower is a callback; this file knows no model.
 */
import { ShapeError } from "../errors.ts";
import { checkEmbeddings, normalizeRows, type Embeddings } from "../arrays/embeddings.ts";
import { fillTemplate, resolveTemplates, type TemplateChoice } from "../text/templates.ts";
import { classList, type ClassEntry } from "./class-list.ts";

/** Embeds texts in order; rows need not be normalised. */
export type EmbedTexts = (texts: string[]) => Promise<Embeddings>;

export interface ClassifierOptions {
  /** Classes in index order, each with one or several names. */
  readonly classes: readonly ClassEntry[];
  /** Classes may have one first name, or none, told apart by their numbers. Default false. */
  readonly alike?: boolean;
  /** Default `simple`. */
  readonly templates?: TemplateChoice;
  readonly embedTexts: EmbedTexts;
  /** Texts per call of `embedTexts`. Default 256. */
  readonly textsPerCall?: number;
  /** Called after every call with the texts done and their total. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Weights of a zero-shot classifier. */
interface ClassifierWeights {
  /** [C, D] unit rows */
  readonly weights: Embeddings;
  /** First name of every class, [C] */
  readonly labels: readonly string[];
}

/**
 * One unit vector per class: every name in every template is embedded and normalised, the
 * embeddings of a class are averaged, and the mean is normalised again.
 *
 *     w_c = normalize( mean over names n of c, templates t of  normalize(text(t(n))) )
 *     CLIP, arXiv:2103.00020, section 3.1.4 (prompt ensembling in embedding space)
 *
 * With several names per class all names x all templates are averaged with equal weight, as
 * big_vision's discriminative classifier does.
 *
 * throws  RangeError for empty classes or templates, or embeddings that are not finite;
 *         ShapeError if `embedTexts` returns another number of rows than it was given texts
 */
export async function classifierWeights(options: ClassifierOptions): Promise<ClassifierWeights> {
  const { embedTexts, textsPerCall = 256, onProgress } = options;
  const classes = classList(options.classes, { alike: options.alike ?? false });
  const templates = resolveTemplates(options.templates ?? "simple");
  if (!Number.isInteger(textsPerCall) || textsPerCall < 1) {
    throw new RangeError(
      `Expected a whole number of 1 or more for textsPerCall but received ${textsPerCall}.`,
    );
  }
  const texts: string[] = [];
  const owners: number[] = [];
  for (const [index, names] of classes.names.entries()) {
    for (const name of names) {
      for (const template of templates) {
        texts.push(fillTemplate(template, name));
        owners.push(index);
      }
    }
  }
  let sums: ClassSums | undefined;
  for (let start = 0; start < texts.length; start += textsPerCall) {
    const batch = texts.slice(start, start + textsPerCall);
    const embeddings = await embedTexts(batch);
    sums ??= {
      data: new Float64Array(classes.labels.length * embeddings.dim),
      dim: embeddings.dim,
    };
    addTexts(sums, embeddings, owners.slice(start, start + textsPerCall));
    onProgress?.(start + batch.length, texts.length);
  }
  return { weights: normalizeSums(sums, classes.labels), labels: classes.labels };
}

interface ClassSums {
  data: Float64Array;
  dim: number;
}

function addTexts(sums: ClassSums, embeddings: Embeddings, owners: readonly number[]): void {
  if (embeddings.count !== owners.length || embeddings.dim !== sums.dim) {
    throw new ShapeError(
      `Expected [${owners.length}, ${sums.dim}] from embedTexts but received ` +
        `[${embeddings.count}, ${embeddings.dim}]; it must return one row per text, in order.`,
    );
  }
  checkEmbeddings("text embeddings", embeddings, { unitRows: false });
  const unit = normalizeRows(embeddings, "text embeddings").data;
  for (const [row, owner] of owners.entries()) {
    for (let i = 0; i < sums.dim; i++) {
      const at = owner * sums.dim + i;
      sums.data[at] = (sums.data[at] ?? 0) + (unit[row * sums.dim + i] ?? NaN);
    }
  }
}

/** The length of a sum and of its mean differ, their directions do not: no division is needed. */
function normalizeSums(sums: ClassSums | undefined, labels: readonly string[]): Embeddings {
  if (sums === undefined) throw new RangeError("internal: no texts for the classifier");
  const { data, dim } = sums;
  const weights = new Float32Array(data.length);
  for (const [index, label] of labels.entries()) {
    const row = data.subarray(index * dim, (index + 1) * dim);
    const length = Math.hypot(...row);
    // Sums of unit rows this short carry no direction beyond rounding.
    if (!(length > 1e-6)) {
      throw new RangeError(
        `Expected the embeddings of class "${label}" to have a mean direction but they cancel; ` +
          "check its names and templates.",
      );
    }
    for (const [i, value] of row.entries()) weights[index * dim + i] = value / length;
  }
  return { data: weights, count: labels.length, dim };
}
