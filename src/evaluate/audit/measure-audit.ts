/** Measures a model on the samples of an audit: every part of the card but its words. */
import type { Embeddings } from "../../arrays/embeddings.ts";
import { classifierWeights } from "../../inference/classifier-weights.ts";
import type { Embedder } from "../../inference/features/embed-dataset.ts";
import type { LoadedModel } from "../../inference/load-model.ts";
import { logitTerms } from "../../inference/similarity.ts";
import { chooseTemplates, fillTemplate } from "../../text/templates.ts";
import { answersOf, askFaces } from "./audit-answers.ts";
import type { AskedTexts, AuditCard, SkewReport, Skipped } from "./audit-card.ts";
import type { AuditPlan, Subject } from "./audit-plan.ts";
import { debiasReports, type Debiasing } from "./debias-reports.ts";
import { fairFaceTables } from "./fairface.ts";
import { groupReport, scoresOf, type Answers } from "./group-metrics.ts";
import { groupCounts, type Grouping } from "./grouping.ts";
import { incomeSlope } from "./income-slope.ts";
import type { Resampling } from "./resample.ts";
import {
  embedAll,
  pictureAssociations,
  queriesOf,
  skewReports,
  wordAssociations,
  wordsAsked,
  type Queries,
} from "./texts/audit-texts.ts";
import { fairFaceNote, objectiveNames, promptSources } from "./texts/prompts.ts";

/** What is measured, and with what. */
export interface Audited {
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

/** All parts of the card that are asked for, one after the other. */
export async function measureAudit(audited: Audited): Promise<Numbers> {
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
  const debiased =
    questions.debias === false
      ? []
      : debiasReports({ ...audited, answered, asked, skipped, resampling });
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
    debiasing: debiased.map(({ report }) => report),
    asked: askedTexts(audited, { answered, asked, debiased }),
    skipped,
  };
}

/** Every text that was embedded, with its source. */
function askedTexts(
  { plan }: Audited,
  {
    answered,
    asked,
    debiased,
  }: { answered: Answered | undefined; asked: Asked | undefined; debiased: readonly Debiasing[] },
): AskedTexts[] {
  const { questions, faces } = plan;
  const own = questions.queries === undefined || questions.queries === "people";
  const texts: AskedTexts[] = [];
  if (answered !== undefined) {
    const { templates } = answered.classes;
    const source = faces === undefined ? answered.templatesFrom : "FairFace's protocol";
    texts.push({ use: "templates of the classes", source, texts: templates });
  }
  for (const name of faces === undefined ? [] : objectiveNames) {
    const { classes, templates } = faces!.objectives[name];
    const filled = templates.flatMap((one) => classes.map((each) => fillTemplate(one, each)));
    const source = faces!.from === "set" ? "the set's own" : promptSources.faces;
    texts.push({ use: `faces: ${name}`, source, texts: filled });
  }
  if (asked !== undefined) {
    const source = own ? promptSources.queries : "given";
    texts.push({ use: "neutral queries", source, texts: asked.queries.prompts });
  }
  if (questions.associations !== false) {
    texts.push({ use: "association tests", source: promptSources.words, texts: wordsAsked() });
  }
  for (const { report, prompts } of debiased) {
    const use = `projection away from ${report.key}`;
    texts.push({ use, source: promptSources.projections, texts: prompts });
  }
  return texts;
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

/** The answers to a set with classes. */
export interface Answered {
  readonly answers: Answers;
  readonly classes: NonNullable<AuditCard["classes"]>;
  /** [C, D] unit rows */
  readonly weights: Embeddings;
  readonly templatesFrom: string;
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
  const { templates, templatesFrom } = chooseTemplates({
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
  const from = { given: "given", model: "the model's own", data: "the set's", default: "default" };
  return {
    ...{ answers: again(weights), classes: about, weights, again },
    templatesFrom: from[templatesFrom],
  };
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

/** The neutral queries, and how they rank groups. */
export interface Asked {
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
