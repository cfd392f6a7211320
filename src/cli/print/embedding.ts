/** What `limn embed` says: how far it is, and what came out. */
import type { EmbedProgress, EmbedResult } from "../../embed/embed-source.ts";

export function describeProgress({
  rows,
  samples,
  skipped,
  picturesPerSecond,
}: EmbedProgress): string {
  const count = (value: number): string => value.toLocaleString("en-US");
  const left = (samples - rows - skipped) / picturesPerSecond;
  const bad = skipped > 0 ? `, ${count(skipped)} left out` : "";
  return (
    `${count(rows)} of ${count(samples)} pictures${bad}, ` +
    `${picturesPerSecond.toPrecision(3)} pictures/s, ${duration(left)} left`
  );
}

function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "unknown time";
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${Math.ceil(Math.max(0, seconds))} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function describeResult(result: EmbedResult): string {
  const { rows, dim, shards, folder, resumedFrom, skipped, complete, picturesPerSecond } = result;
  const rate = picturesPerSecond === 0 ? "" : `, ${picturesPerSecond.toPrecision(3)} pictures/s`;
  return [
    `${rows} embeddings of ${dim} numbers in ${shards} shards in ${folder}${rate}`,
    ...(resumedFrom > 0 ? [`${resumedFrom} of them were there already`] : []),
    ...(skipped > 0 ? [`${skipped} samples were left out`] : []),
    ...(complete ? [] : ["stopped; the same command goes on from here"]),
  ].join("\n");
}
