/** The texts of `limn data inspect` and `limn data pack`. */
import { counted, sampleIn } from "../../errors.ts";
import type { Bin, Summary } from "../../arrays/stream-summary.ts";
import type { InspectReport } from "../../data/inspect.ts";
import type { PackResult } from "../../data/pack.ts";
import type { Columns, Problem } from "../../data/sources/source.ts";

const SHOWN = 10;

/** `image "file_name", caption "text"`. */
export function columnNames({ image, caption, label }: Columns): string {
  return Object.entries({ image, caption, label })
    .flatMap(([role, name]: [string, string | undefined]) =>
      name === undefined ? [] : [`${role} "${name}"`],
    )
    .join(", ");
}

/** The first ten of some names, and how many there are besides. */
export function listedNames(names: readonly string[]): string {
  const more = names.length > SHOWN ? `, and ${names.length - SHOWN} more` : "";
  return names.slice(0, SHOWN).join(", ") + more;
}

/** The first ten of some problems, and that there are more of them. */
export function problemLines(problems: readonly Problem[], all: number): string[] {
  const lines = problems.slice(0, SHOWN).map((one) => `  ${problemText(one)}`);
  return all > SHOWN ? [...lines, "  ... (--json lists the first hundred)"] : lines;
}

/** A bad sample with what is wrong with it. */
export function problemText({ file, key, reason }: Problem): string {
  return `${sampleIn(file, key)}: ${reason}`;
}

function passedOver(endings: Readonly<Record<string, number>>): string[] {
  const names = Object.entries(endings).map(([ending, count]) => `${ending || "none"} ${count}`);
  return names.length === 0 ? [] : [`passed over    other files, by ending: ${names.join(", ")}`];
}

/** The report as a person reads it. */
export function formatInspection(report: InspectReport): string {
  const { images, captions, badSamples, labels, duplicateKeys, parts } = report;
  const lines = [
    `${report.source}${report.partial ? " (stopped early)" : ""}`,
    ...(report.columns === undefined ? [] : [`columns        ${columnNames(report.columns)}`]),
    ...passedOver(report.passedOver ?? {}),
    `samples        ${report.samples} (${report.usable} usable, ${report.bad} bad) in ${counted(parts.length, "part")}`,
    `formats        ${counts(images.formats)}`,
    `pixel layouts  ${counts(images.layouts)}`,
    `width          ${range(images.width)} pixels`,
    `height         ${range(images.height)} pixels`,
    `shortest side  ${bins(images.shortestSide)}`,
    `aspect ratio   ${range(images.aspectRatio)}`,
    `image file     ${range(images.bytes, 1024)} KB`,
    `captions       ${captions.count} (${range(captions.perImage)} per image), ${captions.missing} missing, ${captions.repeated} repeated`,
    `characters     ${range(captions.characters)}`,
  ];
  if (captions.tokens) {
    lines.push(`tokens         ${range(captions.tokens)}, ${cutText(captions.cut ?? 0)}`);
  }
  if (Object.keys(labels).length > 0) {
    const unlisted = report.unlistedLabels ?? 0;
    const more = unlisted > 0 ? `, and ${counted(unlisted, "sample")} with still others` : "";
    lines.push(`labels         ${counts(labels)}${more}`);
  }
  lines.push(
    ...listed(
      "commonest captions",
      captions.commonest.map(({ caption, count }) => `${count} x ${caption}`),
    ),
  );
  lines.push(...listed("keys that occur twice", duplicateKeys));
  lines.push(...listed(`bad samples (${report.bad})`, badSamples.map(problemText)));
  return lines.join("\n");
}

function cutText(cut: number): string {
  return `${counted(cut, "caption is", "captions are")} cut`;
}

function listed(title: string, entries: readonly string[]): string[] {
  if (entries.length === 0) return [];
  const more = entries.length > SHOWN ? [`  ... ${entries.length - SHOWN} more with --json`] : [];
  return ["", `${title}:`, ...entries.slice(0, SHOWN).map((entry) => `  ${entry}`), ...more];
}

function counts(record: Readonly<Record<string, number>>): string {
  const entries = Object.entries(record).sort(([, a], [, b]) => b - a);
  const more = entries.length > SHOWN ? `, ${entries.length - SHOWN} more` : "";
  return (
    entries
      .slice(0, SHOWN)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ") + more || "-"
  );
}

function range({ min, median, mean, p95, max }: Summary, unit = 1): string {
  const [low, middle, average, high, top] = [min, median, mean, p95, max].map((value) =>
    Number((value / unit).toPrecision(4)).toString(),
  );
  return `${low} to ${top} (median ${middle}, mean ${average}, 95 % below ${high})`;
}

function bins(histogram: readonly Bin[]): string {
  return histogram.map(({ from, to, count }) => `${from}-${to}: ${count}`).join("  ") || "-";
}

/** What `limn data pack` did. */
export function describePack(result: PackResult, directory: string): string {
  const { shards, samples, resized, skipped, badSamples, withoutRecord, lostRecords } = result;
  const lines = [
    `${counted(samples, "sample")} in ${counted(shards.length, "shard")} in ${directory}`,
  ];
  if (resized > 0) lines.push(`${counted(resized, "image was", "images were")} shrunk`);
  if (skipped > 0)
    lines.push(
      `${counted(skipped, "sample was", "samples were")} left out:`,
      ...problemLines(badSamples, skipped),
    );
  if (withoutRecord > 0) {
    lines.push(`${counted(withoutRecord, "sample")} lost a record that cannot be read:`);
    lines.push(...problemLines(lostRecords, withoutRecord));
  }
  return lines.join("\n");
}
