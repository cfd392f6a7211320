/**
 * A zero-shot classifier: its class weights are made once and used for any number of pictures. As
 * JSON they travel without the text tower's work.
 */
import { CheckpointError } from "../errors.ts";
import { type DualEncoder, probabilityKind, type ProbabilityKind } from "../pair/dual-encoder.ts";
import { classifierWeights } from "./classifier-weights.ts";
import { checkEmbeddings, checkSameDim, type Embeddings } from "../arrays/embeddings.ts";
import { chooseTemplates, resolveTemplates, type TemplateChoice } from "../text/templates.ts";
import { classList, type ClassEntry } from "./class-list.ts";
import { embeddingBatches, listOf, type EncodeImagesOptions } from "./encode-images.ts";
import { embedTexts } from "./encode-texts.ts";
import { checkCount, isAsyncIterable, type InferenceModel } from "./inference-model.ts";
import { isPicture, type Picture } from "./picture-batches.ts";
import {
  checkProbabilityKind,
  logitsOf,
  logitTerms,
  probabilitiesOf,
  type LogitTerms,
} from "./similarity.ts";

export interface ClassifierOptions {
  /**
   * `bare`, `photo`, `simple`, or one's own with `{}` for the label. Default: those that the model carries,
   * else `photo`.
   */
  readonly templates?: TemplateChoice;
  /** Default: what the model was trained for. */
  readonly probabilities?: ProbabilityKind;
  /** Called with the texts done and their total. */
  readonly onProgress?: (done: number, total: number) => void;
}

interface ClassifyOptions extends EncodeImagesOptions {
  /** Labels per picture, the best first. Default: all. */
  readonly topK?: number;
}

/** One label of one picture. */
export interface Prediction {
  /** The first name of the class. */
  readonly label: string;
  /** Its position in the list of labels. */
  readonly index: number;
  /** Probability, of the kind that the classifier says. */
  readonly score: number;
  /** Cosine of picture and class weight. */
  readonly similarity: number;
  /** logitScale x similarity + logitBias */
  readonly logit: number;
}

/** A picture of a stream, or of a list in which some may be passed over: labels or a reason. */
type ClassifiedPicture =
  | { readonly index: number; readonly predictions: Prediction[]; readonly problem?: undefined }
  | { readonly index: number; readonly predictions?: undefined; readonly problem: string };

type ToSkip = ClassifyOptions & { readonly onError: "skip" };

interface Parts {
  readonly labels: readonly string[];
  readonly weights: Embeddings;
  readonly probabilities: ProbabilityKind;
  readonly templates?: readonly string[] | undefined;
}

/** Classes as weights in the shared space. Holds no tensor: nothing is to be disposed. */
export class ZeroShotClassifier {
  /** [C] first name of every class */
  readonly labels: readonly string[];
  /** [C, D] unit rows */
  readonly weights: Embeddings;
  readonly probabilities: ProbabilityKind;
  /** What the names of the labels were put into, with `{}`; undefined in one saved before limn kept them. */
  readonly templates: readonly string[] | undefined;
  readonly #model: InferenceModel;
  readonly #terms: LogitTerms;

  constructor(model: InferenceModel, { labels, weights, probabilities, templates }: Parts) {
    this.#model = model;
    this.#terms = logitTerms(model.pair);
    this.labels = labels;
    this.weights = weights;
    this.probabilities = probabilities;
    this.templates = templates;
  }

  /** One picture: its labels, the most probable first. Throws DataError where it cannot be read. */
  classify(picture: Picture, options?: ClassifyOptions): Promise<Prediction[]>;
  /** A list: a result for each picture, bad ones with their reason. */
  classify(pictures: Iterable<Picture>, options: ToSkip): Promise<ClassifiedPicture[]>;
  /** A list: its pictures' labels in order. Throws DataError naming one that cannot be read. */
  classify(pictures: Iterable<Picture>, options?: ClassifyOptions): Promise<Prediction[][]>;
  /** A stream: a result for each picture, in order. */
  classify(
    pictures: AsyncIterable<Picture>,
    options?: ClassifyOptions,
  ): AsyncGenerator<ClassifiedPicture>;
  classify(
    pictures: Picture | Iterable<Picture> | AsyncIterable<Picture>,
    options: ClassifyOptions = {},
  ):
    | Promise<Prediction[] | Prediction[][] | ClassifiedPicture[]>
    | AsyncGenerator<ClassifiedPicture> {
    if (isAsyncIterable<Picture>(pictures)) return this.#stream(pictures, options);
    return this.#list(pictures, options);
  }

  async #list(
    pictures: Picture | Iterable<Picture>,
    options: ClassifyOptions,
  ): Promise<Prediction[] | Prediction[][] | ClassifiedPicture[]> {
    const single = isPicture(pictures);
    const list = listOf(pictures);
    const given = single ? { ...options, onError: "throw" as const } : options;
    const results: ClassifiedPicture[] = [];
    for await (const result of this.#stream(list, given)) results.push(result);
    if (given.onError === "skip") return results;
    const predictions = results.map((result) => result.predictions as Prediction[]);
    return single ? (predictions[0] as Prediction[]) : predictions;
  }

  async *#stream(
    pictures: readonly Picture[] | AsyncIterable<Picture>,
    { topK = this.labels.length, ...options }: ClassifyOptions,
  ): AsyncGenerator<ClassifiedPicture> {
    checkCount("topK", topK);
    for await (const batch of embeddingBatches(this.#model, pictures, options)) {
      const { embeddings: data, count, dim, indices, skipped } = batch;
      const ranked = count === 0 ? [] : this.rank({ data, count, dim }, topK);
      const results: ClassifiedPicture[] = [
        ...ranked.map((predictions, row) => ({ index: indices[row] as number, predictions })),
        ...skipped.map(({ index, reason }) => ({ index, problem: reason })),
      ];
      yield* results.sort((a, b) => a.index - b.index);
    }
  }

  /**
   * The labels of pictures that are embedded already: [N, D] unit rows -> N lists, the most probable
   * first; equal ones in the order of the labels.
   *
   * throws  ShapeError for rows of another width
   */
  rank(imageEmbeddings: Embeddings, topK: number = this.labels.length): Prediction[][] {
    checkSameDim(["imageEmbeddings", "the class weights"], imageEmbeddings, this.weights);
    const similarities = this.#model.encoder.similarities(imageEmbeddings, this.weights);
    const logits = logitsOf(similarities, this.#terms);
    const count = this.labels.length;
    const scores = probabilitiesOf(logits, count, this.probabilities);
    return Array.from({ length: imageEmbeddings.count }, (_, row) => {
      const at = row * count;
      const order = this.labels.map((_label, index) => index);
      order.sort((a, b) => (logits[at + b] as number) - (logits[at + a] as number) || a - b);
      return order.slice(0, topK).map((index) => ({
        label: this.labels[index] as string,
        index,
        score: scores[at + index] as number,
        similarity: similarities[at + index] as number,
        logit: logits[at + index] as number,
      }));
    });
  }

  /** Plain JSON for `restoreZeroShotClassifier`: labels, kind of probabilities, weights. */
  toJSON(): SavedClassifier {
    return savedClassifier(this, this.#terms);
  }
}

/**
 * A classifier of `labels`, each a name or several that mean the same. Every name in every template
 * is embedded, and the embeddings of a label are averaged (CLIP, arXiv:2103.00020, section 3.1.4).
 * Text cleaning is the tokenizer's.
 *
 * throws  RangeError for empty, blank or equal labels, unknown or empty templates, or another kind of
 *         probabilities
 */
export async function zeroShotClassifier(
  model: InferenceModel,
  labels: readonly ClassEntry[],
  { templates: given, probabilities, onProgress }: ClassifierOptions = {},
): Promise<ZeroShotClassifier> {
  const kind = checkProbabilityKind(probabilities ?? probabilityKind(model.pair.config));
  const { templates } = chooseTemplates({ given, model: model.templates });
  const made = await classifierWeights({
    classes: labels,
    templates,
    embedTexts: (texts) => Promise.resolve(embedTexts(model, texts)),
    ...(onProgress ? { onProgress } : {}),
  });
  return new ZeroShotClassifier(model, { ...made, probabilities: kind, templates });
}

interface SavedClassifier {
  readonly format: "limn-zero-shot-classifier";
  readonly version: 1;
  readonly labels: readonly string[];
  readonly probabilities: ProbabilityKind;
  readonly templates?: readonly string[];
  /** Of the model that made it; another model is told by them. */
  readonly logitScale: number;
  readonly logitBias: number;
  readonly dim: number;
  /** [C, D] float32, little-endian, base64 */
  readonly weights: string;
}

function savedClassifier(
  { labels, weights, probabilities, templates }: Parts,
  { scale, bias }: LogitTerms,
): SavedClassifier {
  const { data, dim } = weights;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return {
    format: "limn-zero-shot-classifier",
    version: 1,
    labels,
    probabilities,
    ...(templates === undefined ? {} : { templates }),
    logitScale: scale,
    logitBias: bias,
    dim,
    weights: bytes.toString("base64"),
  };
}

/**
 * The parts of a saved classifier.
 *
 * throws  CheckpointError for another value, or a classifier that another model made
 */
export function readSavedClassifier(value: unknown, model: DualEncoder): Parts {
  try {
    return parse(value, model);
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    throw unusable((cause as Error).message, { cause });
  }
}

function parse(value: unknown, model: DualEncoder): Parts {
  const saved = value as Partial<SavedClassifier> | null;
  if (saved?.format !== "limn-zero-shot-classifier" || saved.version !== 1) {
    throw unusable("it is not a classifier of version 1");
  }
  const { labels, dim, weights, templates, logitScale, logitBias } = saved;
  const { scale, bias } = logitTerms(model);
  if (dim !== model.config.embedDim || logitScale !== scale || logitBias !== bias) {
    throw unusable(
      `another model made it (width ${dim}, logit scale ${logitScale}, bias ${logitBias} instead of ` +
        `${model.config.embedDim}, ${scale}, ${bias})`,
    );
  }
  if (!Array.isArray(labels) || typeof weights !== "string") throw unusable("parts are missing");
  const bytes = Uint8Array.from(Buffer.from(weights, "base64"));
  const data = new Float32Array(bytes.buffer, 0, bytes.length >> 2);
  const rows = { data, count: classList(labels).labels.length, dim };
  checkEmbeddings("weights", rows);
  return {
    labels,
    weights: rows,
    probabilities: checkProbabilityKind(saved.probabilities),
    templates: templates === undefined ? undefined : resolveTemplates(templates),
  };
}

function unusable(reason: string, options?: ErrorOptions): CheckpointError {
  return new CheckpointError(
    "classifier",
    `Expected a zero-shot classifier saved for this model but received another value: ${reason}; ` +
      "make it again with zeroShotClassifier",
    options,
  );
}
