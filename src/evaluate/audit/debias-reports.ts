/** What projections of texts away from groups change: skew, gap, and what they cost in accuracy. */
import type { DebiasReport, DebiasRow, SkewReport, Skipped } from "./audit-card.ts";
import type { AuditPlan } from "./audit-plan.ts";
import { groupReport, type Answers, type GroupReport } from "./group-metrics.ts";
import { withoutSmall, type Grouping } from "./grouping.ts";
import type { Answered, Asked, Audited } from "./measure-audit.ts";
import type { Resampling } from "./resample.ts";
import { mainTop } from "./skew.ts";
import { groupDirections } from "./texts/audit-texts.ts";
import { peopleQueries } from "./texts/prompts.ts";

/** The numbers of one key, and every prompt that they come from. */
export interface Debiasing {
  readonly report: DebiasReport;
  readonly prompts: readonly string[];
}

interface Debiased extends Audited {
  readonly answered: Answered | undefined;
  readonly asked: Asked | undefined;
  readonly resampling: Resampling;
  /** Takes the keys that are left out, and why. */
  readonly skipped: Skipped[];
}

/** For each key by which samples are grouped, alone or crossed: the numbers with texts as they are and projected. */
export function debiasReports(given: Debiased): Debiasing[] {
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
  { plan, embedder, answered, asked, resampling }: Debiased,
): Debiasing | string {
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
    const report = answers && groupReport(answers, grouping, { ...resampling, least });
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
  const report = { key, groups: grouping.names, ...(k !== undefined && { k }), rows };
  return { report, prompts: directions.prompts };
}

function accuracyOf({ overall, top1 }: GroupReport): Partial<DebiasRow> {
  return {
    ...(overall.top1 && { accuracy: overall.top1 }),
    ...(top1 && { worst: { name: top1.worst, value: top1.worstValue }, gap: top1.gap }),
  };
}
