/** Audits a model on a set whose samples carry metadata: what `limn audit` runs. */
import { rowsAt, type Embeddings } from "../../arrays/embeddings.ts";
import type { LoaderOptions } from "../../data/loader/options.ts";
import { lookThrough } from "../../data/look-through.ts";
import { classifierWeights } from "../../inference/classifier-weights.ts";
import { embedDataset, embedderOf, type Embedder } from "../../inference/features/embed-dataset.ts";
import { FeaturesCache } from "../../inference/features/features-cache.ts";
import { fitsWhere, noSamples, type Where } from "../../inference/features/fits-where.ts";
import { loadModel, type LoadedModel, type LoadModelOptions } from "../../inference/load-model.ts";
import { logitTerms } from "../../inference/similarity.ts";
import type { Precision } from "../../inference/encoder.ts";
import { chooseTemplates } from "../../text/templates.ts";
import type { Device } from "../../torch/index.ts";
import { answersOf, askFaces } from "./audit-answers.ts";
import type { AuditCard, DebiasReport, DebiasRow, SkewReport, Skipped } from "./audit-card.ts";
import {
  planAudit,
  subjectOf,
  type AuditPlan,
  type AuditQuestions,
  type SetRecords,
  type Subject,
} from "./audit-plan.ts";
import {
  embedAll,
  groupDirections,
  pictureAssociations,
  queriesOf,
  skewReports,
  wordAssociations,
  type Queries,
} from "./audit-texts.ts";
import { fairFaceTables } from "./fairface.ts";
import { findingsOf, limitsOf } from "./findings.ts";
import { groupReport, scoresOf, type Answers, type GroupReport } from "./group-metrics.ts";
import { groupCounts, withoutSmall, type Grouping } from "./grouping.ts";
import { incomeSlope } from "./income-slope.ts";
import { fairFaceNote, peopleQueries } from "./prompts.ts";
import type { Resampling } from "./resample.ts";
import { mainTop } from "./skew.ts";

export interface AuditOptions extends AuditQuestions {
  /** What `loadModel` takes: `hf://organisation/name`, or a path in any layout. */
  model: string;
  /** What its files do not say, and how it is fetched. */
  load?: Omit<LoadModelOptions, "device" | "precision" | "prepare">;
  source: LoaderOptions["source"];
  /** How the card calls the set. */
  title: string;
  /** Pictures per forward pass. Default 64. */
  batchSize?: number;
  device?: Device;
  /** What the model computes in. Default `float32`. */
  precision?: Precision;
  /** A picture of more pixels cannot be read, told from its header. Default: 178,956,970. */
  maxPixels?: number;
  /** Values that samples' records must have. */
  where?: Where | undefined;
  /** Folder that keeps embeddings from one call to the next, as `evaluate` has it. Default: none are kept. */
  cache?: string;
  /** Called before each part of the work with its name. */
  onPart?: (name: string) => void;
}

/**
 * Embeds a set once and measures how the model treats its groups: accuracy, calibration, what faces are taken
 * for, how neutral queries rank groups, associations, the slope over income, and what projections of texts
 * would change. What is asked is checked against the set before the model is loaded.
 *
 * throws  SettingError for questions that cannot be; DataError for a sample that cannot be read or lacks what
 *         is asked of it, fewer than two groups, a key that no sample has; CheckpointError for a model that
 *         does not fit
 */
export async function audit(options: AuditOptions): Promise<AuditCard> {
  const { batchSize = 64, device = "cpu", precision = "float32", onPart = () => {} } = options;
  const plan = planAudit(options);
  onPart("the set's records");
  await checkAhead(options, plan);
  const identify = options.cache !== undefined;
  const loaded = await loadModel(options.model, { ...options.load, device, precision, identify });
  try {
    const { identity } = loaded;
    const cache =
      options.cache === undefined || identity === undefined
        ? undefined
        : new FeaturesCache(options.cache, identity);
    const logits = { ...logitTerms(loaded.pair), kind: loaded.probabilities };
    const embedder = embedderOf(loaded, { cache, logits });
    onPart("pictures");
    const dataset = await embedDataset(embedder, {
      loader: {
        source: options.source,
        transform: loaded.encoder.transform,
        batchSize,
        ...(options.maxPixels !== undefined && { maxPixels: options.maxPixels }),
      },
      where: options.where,
      captions: false,
    });
    const subject = subjectOf(dataset, plan);
    const images = rowsAt(dataset.imageEmbeddings, subject.picked);
    const numbers = await measureAll({ plan, subject, images, embedder, loaded, onPart });
    const card = {
      format: "limn-audit-card",
      version: 1,
      model: options.model,
      set: options.title,
      count: dataset.keys.length,
      ...numbers,
    } as const;
    return { ...card, findings: findingsOf(card), limits: limitsOf(card) };
  } finally {
    loaded.dispose();
  }
}

/** What is wrong with the records is said before anything is embedded; of very many, afterwards. */
async function checkAhead({ source, where }: AuditOptions, plan: AuditPlan): Promise<void> {
  const set: SetRecords = { keys: [], labels: [], metas: [] };
  const isWhole = await lookThrough(source, {
    captions: false,
    onError: "fail",
    each: ({ key, label, meta }) => {
      if (!fitsWhere(meta, where)) return;
      set.keys.push(key);
      set.labels.push(label);
      set.metas.push(meta ?? {});
    },
  });
  if (isWhole && set.keys.length === 0) throw noSamples(where, JSON.stringify(source));
  if (isWhole) subjectOf(set, plan);
}

interface Audited {
  readonly plan: AuditPlan;
  readonly subject: Subject;
  readonly images: Embeddings;
  readonly embedder: Embedder;
  readonly loaded: LoadedModel;
  readonly onPart: (name: string) => void;
}

type Numbers = Omit<
  AuditCard,
  "format" | "version" | "model" | "set" | "count" | "findings" | "limits"
>;

async function measureAll(audited: Audited): Promise<Numbers> {
  const { plan, subject, images, embedder, onPart } = audited;
  const { questions, least, bootstrap } = plan;
  const skipped: Skipped[] = [];
  const resampling = resamplingOf(audited);
  onPart("groups");
  const answered = await answer(audited);
  const accuracy = answered
    ? subject.groupings.map((grouping) =>
        groupReport(answered.answers, grouping, { ...resampling, least, positive: plan.positive }),
      )
    : [];
  if (!answered) {
    skipped.push({
      part: "accuracy",
      reason: "no classes were given, and none lie beside the shards",
    });
  }
  onPart("queries");
  const asked = askQueries(audited, skipped);
  onPart("associations");
  const associations =
    questions.associations === false
      ? []
      : [
          ...wordAssociations(embedder, bootstrap.seed),
          ...pictureAssociations(images, subject.groupings, {
            embedder,
            least,
            seed: bootstrap.seed,
          }),
        ];
  onPart("projections");
  const debiasing =
    questions.debias === false ? [] : debiasReports({ ...audited, answered, asked, skipped });
  return {
    measured: subject.picked.length,
    ...(answered && { classes: answered.classes }),
    least,
    level: bootstrap.level,
    resamples: bootstrap.resamples,
    ...(subject.clusters && {
      cluster: { key: questions.cluster ?? "", count: new Set(subject.clusters).size },
    }),
    ...(plan.positive !== undefined && { positive: plan.classes?.[plan.positive]?.label ?? "" }),
    groups: subject.groupings.map((grouping) => sizesOf(grouping, least)),
    accuracy,
    ...(await facesOf(audited, resampling)),
    skew: asked?.reports ?? [],
    associations,
    ...(answered && incomeOf(audited, answered.answers, resampling)),
    debiasing,
    skipped,
  };
}

function resamplingOf({ plan, subject }: Pick<Audited, "plan" | "subject">): Resampling {
  return { ...plan.bootstrap, ...(subject.clusters && { clusters: subject.clusters }) };
}

function sizesOf(grouping: Grouping, least: number): AuditCard["groups"][number] {
  const counts = groupCounts(grouping);
  const groups = grouping.names.map((name, group) => {
    const count = counts[group]!;
    return { name, count, suppressed: count < least };
  });
  return { keys: grouping.keys, without: grouping.without, groups };
}

interface Answered {
  readonly answers: Answers;
  readonly classes: NonNullable<AuditCard["classes"]>;
  /** [C, D] unit rows */
  readonly weights: Embeddings;
  /** The answers with other weights of the classes. */
  readonly again: (weights: Embeddings) => Answers;
}

async function answer({
  plan,
  subject,
  images,
  embedder,
  loaded,
}: Audited): Promise<Answered | undefined> {
  const { classes, answer: key, questions } = plan;
  const { truths, leftOut } = subject;
  if (classes === undefined || truths === undefined) return undefined;
  const { templates } = chooseTemplates({
    given: questions.templates,
    // FairFace's protocol has its own.
    model: plan.faces ? undefined : embedder.templates,
    data: plan.templatesBeside,
  });
  const { weights } = await classifierWeights({
    classes: classes.map(({ names }) => names),
    alike: true,
    templates,
    embedTexts: (texts) => Promise.resolve(embedder.embedTexts(texts)),
  });
  const { probabilities } = loaded;
  const { similarities } = embedder;
  const logits = logitTerms(loaded.pair);
  const again = (rows: Embeddings): Answers =>
    answersOf({ images, truths, weights: rows, similarities, logits, probabilities });
  const names = classes.map(({ label }) => label);
  const about = { names, answer: key, templates, leftOut, probabilities };
  return { answers: again(weights), classes: about, weights, again };
}

async function facesOf(
  { plan, subject, images, embedder }: Audited,
  resampling: Resampling,
): Promise<Pick<AuditCard, "faces">> {
  if (plan.faces === undefined || subject.faces === undefined) return {};
  const { objectives, from } = plan.faces;
  const predictions = await askFaces(images, embedder, objectives);
  const { least } = plan;
  const tables = fairFaceTables(predictions, subject.faces, { ...resampling, least, objectives });
  return { faces: { tables, prompts: from, note: fairFaceNote(from) } };
}

function incomeOf(
  { plan, subject }: Audited,
  answers: Answers,
  resampling: Resampling,
): Pick<AuditCard, "income"> {
  const { income: key } = plan.questions;
  if (subject.incomes === undefined || key === undefined) return {};
  const k = answers.classCount > 5 ? 5 : 1;
  const correct = scoresOf(answers, k === 5 ? "top5" : "top1");
  return { income: { key, ...incomeSlope(subject.incomes, correct, { ...resampling, k }) } };
}

interface Asked {
  readonly queries: Queries;
  /** [prompts, D] unit rows */
  readonly rows: Embeddings;
  readonly reports: readonly SkewReport[];
  readonly again: (rows: Embeddings, groupings: readonly Grouping[]) => SkewReport[];
}

function askQueries(
  { plan, subject, images, embedder }: Audited,
  skipped: Skipped[],
): Asked | undefined {
  const list = plan.questions.queries ?? "people";
  if (list.length === 0) return undefined;
  const queries = queriesOf(list);
  const rows = embedAll(embedder, queries.prompts);
  const { least, bootstrap } = plan;
  const again: Asked["again"] = (others, groupings) =>
    skewReports(
      { images, queries, rows: others, embedder, least, seed: bootstrap.seed },
      groupings,
    );
  const reports = again(rows, subject.groupings);
  for (const { keys } of subject.groupings) {
    if (reports.some((report) => report.keys === keys)) continue;
    const reason = `fewer than two groups have ${least} pictures`;
    skipped.push({ part: `queries by ${keys.join(" × ")}`, reason });
  }
  return { queries, rows, reports, again };
}

interface Debiased extends Audited {
  readonly answered: Answered | undefined;
  readonly asked: Asked | undefined;
  readonly skipped: Skipped[];
}

/** For each key by which samples are grouped, alone or crossed: the numbers with texts as they are and projected. */
function debiasReports(given: Debiased): DebiasReport[] {
  const { plan, subject, skipped } = given;
  const keys = [...new Set(plan.groups.flat())];
  return keys.flatMap((key) => {
    const grouping = subject.groupings.find(({ keys: own }) => own.length === 1 && own[0] === key);
    const part = `projection away from ${key}`;
    if (grouping === undefined) {
      skipped.push({ part, reason: "it is grouped by together with other keys alone" });
      return [];
    }
    const shown = withoutSmall(grouping, plan.least);
    const reason = reasonAgainst(key, shown, plan);
    const report = reason === undefined ? debiasReport(key, shown, given) : reason;
    if (typeof report !== "string") return [report];
    skipped.push({ part, reason: report });
    return [];
  });
}

function reasonAgainst(
  key: string,
  { names, worded }: Grouping,
  { answer: answerKey, least, faces }: AuditPlan,
): string | undefined {
  if (names.length < 2) return `fewer than two groups have ${least} pictures`;
  if (key === answerKey || (faces && key === "gender")) return "it is what is classified";
  return worded ? undefined : "its values are no words; give some with --names";
}

function debiasReport(
  key: string,
  grouping: Grouping,
  { plan, embedder, answered, asked, subject }: Debiased,
): DebiasReport | string {
  const classes = answered?.classes.names ?? peopleQueries.concepts.map((one) => `${one} person`);
  const directions = groupDirections(embedder, key, { groups: grouping.names, classes });
  if (directions === undefined) {
    return "there are as many prompts of its groups as numbers in an embedding, so that nothing would be left";
  }
  const { least } = plan;
  const row = (
    projection: DebiasRow["projection"],
    answers: Answers | undefined,
    skew: SkewReport | undefined,
  ): DebiasRow => {
    const report =
      answers && groupReport(answers, grouping, { ...resamplingOf({ plan, subject }), least });
    const top = skew && mainTop(skew.atK, skew.count);
    return {
      projection,
      ...(report && accuracyOf(report)),
      ...(top && { maxSkew: top.maxSkew.demographicParity }),
      ...(skew && { ndkl: skew.ndkl.demographicParity }),
    };
  };
  const before = asked?.reports.find(({ keys }) => keys === grouping.keys);
  const rows = [row("none", answered?.answers, before)];
  for (const kind of ["orthogonal", "calibrated"] as const) {
    const project = directions.project(kind);
    const skew = asked?.again(project(asked.rows), [grouping])[0];
    rows.push(row(kind, answered?.again(project(answered.weights)), skew));
  }
  const k = before && mainTop(before.atK, before.count)?.k;
  const { prompts } = directions;
  return { key, groups: grouping.names, ...(k !== undefined && { k }), rows, prompts };
}

function accuracyOf({ overall, top1 }: GroupReport): Partial<DebiasRow> {
  return {
    ...(overall.top1 && { accuracy: overall.top1 }),
    ...(top1 && { worst: { name: top1.worst, value: top1.worstValue }, gap: top1.gap }),
  };
}
