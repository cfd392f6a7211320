/** What `limn info --measure` shows. */
import { counted } from "../../errors.ts";
import { rateText } from "./outcomes.ts";
import type { Distance, PrecisionReport, Rate } from "../../inference/measure-precisions.ts";

const rates = (list: readonly Rate[]): string =>
  list.map(({ perSecond }) => rateText(perSecond)).join(" / ");
const apart = ({ mean, worst }: Distance): string => `${scientific(mean)}, ${scientific(worst)}`;
const scientific = (value: number): string => (value === 0 ? "0" : value.toExponential(1));

function megabytes(bytes: number): string {
  const size = bytes / 1e6;
  return `${size < 9.95 ? size.toFixed(1) : Math.round(size)} MB`;
}

/** A table with a row for each precision, under what it was measured with. */
export function precisionTable(report: PrecisionReport): string {
  const { device, threads, pictures, labels, measured, missing } = report;
  const batches = measured[0]?.pictures.map(({ batch }) => batch).join(" / ") ?? "";
  const head = [
    ...["precision", `pictures/s, batch ${batches}`, `texts/s, batch ${batches}`, "weights"],
    ...["pictures apart: mean, worst", "texts apart: mean, worst", "same top-1"],
  ];
  const rows = measured.map((one) => [
    one.precision,
    rates(one.pictures),
    rates(one.texts),
    megabytes(one.memory),
    apart(one.imageDistance),
    apart(one.textDistance),
    `${(100 * one.sameTop1).toFixed(1)} %`,
  ]);
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  const own = pictures.given ? "" : " made by limn (--pictures takes yours, which tell more)";
  const ownLabels = labels.given ? "" : " of limn's (--labels takes yours)";
  return [
    `Measured on ${device} with ${counted(threads, "thread")}, ${counted(pictures.count, "picture")}${own}, ` +
      `${counted(labels.count, "label")}${ownLabels}; apart: 1 - cosine to float32.`,
    "",
    ...[head, ...rows].map(line),
    ...missing.map(({ precision, why }) => `${precision}: not here, ${why}`),
  ].join("\n");
}
