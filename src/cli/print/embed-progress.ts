/** How far embedding is, in words. */
import type { EmbedProgress } from "../../embed/embed-source.ts";

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
