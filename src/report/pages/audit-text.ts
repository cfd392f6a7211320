/** An audit for people on a terminal. */
import type { AuditCard, Weight } from "../../evaluate/audit/audit-card.ts";
import { keysText, percent, points, pText } from "../../evaluate/audit/findings.ts";
import { counted } from "../../errors.ts";
import type { GroupReport } from "../../evaluate/audit/group-metrics.ts";
import type { FaceTable } from "../../evaluate/audit/fairface.ts";
import type { Measured } from "../../evaluate/audit/resample.ts";

const marks: Readonly<Record<Weight, string>> = { serious: "!!", notable: "! ", fine: "  " };

/** Findings, tables of groups and faces, what was left out and cannot be concluded. */
export function auditText(card: AuditCard): string {
  const head = `Audit of ${card.model} on ${card.set}: ${counted(card.measured, "picture")}`;
  const findings = card.findings.map(({ weight, text }) => `${marks[weight]} ${text}`);
  const skipped = card.skipped.map(({ part, reason }) => `Left out: ${part} (${reason})`);
  const faces =
    card.faces === undefined ? [] : [...card.faces.tables.map(faceText), card.faces.note];
  const parts = [
    head,
    findings.join("\n"),
    ...card.accuracy.map(groupText),
    ...faces,
    ...(card.debiasing.length > 0 ? [debiasText(card)] : []),
    [...skipped, ...card.limits].join("\n"),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function groupText({ keys, groups, overall, count, top1 }: GroupReport): string {
  const wide = overall.top5 !== undefined;
  const heads = [keysText(keys), "n", "top-1", ...(wide ? ["top-5"] : []), "ECE"];
  const rows = groups.map(({ name, count: n, suppressed, top1: one, top5, ece }) => {
    const numbers = [shareText(one), ...(wide ? [shareText(top5)] : []), shareText(ece)];
    const shown = suppressed ? numbers.map((_, i) => (i === 0 ? "suppressed" : "")) : numbers;
    return [name, n.toLocaleString("en-US"), ...shown];
  });
  const all = [
    "all",
    count.toLocaleString("en-US"),
    shareText(overall.top1),
    ...(wide ? [shareText(overall.top5)] : []),
    shareText(overall.ece),
  ];
  const spread =
    top1 === undefined
      ? []
      : [
          `worst ${top1.worst}, gap ${points(top1.gap.value)}` +
            (top1.ratio === undefined ? "" : `, ratio ${top1.ratio.value.toFixed(2)}`) +
            (top1.byChance === undefined
              ? ""
              : `, by chance below ${points(top1.byChance.below)}, p ${pText(top1.byChance.p)}`),
        ];
  return [alignedText([heads, ...rows, all]), ...spread].join("\n");
}

function faceText({ title, by, rows, overall }: FaceTable): string {
  const lines = rows.map(({ name, count, suppressed, value }) => [
    name,
    count.toLocaleString("en-US"),
    suppressed ? "suppressed" : shareText(value),
  ]);
  const all = ["all", "", shareText(overall)];
  return `${title}\n${alignedText([[keysText(by), "n", "share"], ...lines, all])}`;
}

function debiasText({ debiasing }: AuditCard): string {
  const rows = debiasing.flatMap(({ key, rows: list }) =>
    list.map(({ projection, accuracy, worst, gap, maxSkew }) => [
      key,
      projection,
      accuracy === undefined ? "-" : percent(accuracy.value),
      worst === undefined ? "-" : percent(worst.value.value),
      gap === undefined ? "-" : points(gap.value),
      maxSkew === undefined ? "-" : maxSkew.toFixed(2),
    ]),
  );
  return alignedText([["away from", "projection", "accuracy", "worst", "gap", "MaxSkew"], ...rows]);
}

/** `41.2 % (38.0 to 44.5)` */
function shareText(number: Measured | undefined): string {
  if (number === undefined) return "-";
  const { value, low, high } = number;
  const range =
    low === undefined || high === undefined
      ? ""
      : ` (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`;
  return `${percent(value)}${range}`;
}

/** Columns of equal width, the first to the left, two spaces between. */
function alignedText(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
