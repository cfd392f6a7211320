/** The line that tells how far embedding is: rewritten on a terminal, now and then elsewhere. */
import type { EmbedProgress } from "../embed/embed-source.ts";

/** Milliseconds between lines of a stream that is no terminal. */
const EVERY_MS = 10_000;

export interface ProgressLine {
  show: (progress: EmbedProgress) => void;
  /** Leaves the line; more than once does nothing. */
  end: () => void;
}

export function progressLine(
  stream: Pick<NodeJS.WriteStream, "write" | "isTTY">,
  clock: () => number = () => performance.now(),
): ProgressLine {
  let last = -Infinity;
  let open = false;
  return {
    show(progress) {
      const due = clock() - last >= (stream.isTTY ? 100 : EVERY_MS);
      if (!due) return;
      last = clock();
      stream.write(stream.isTTY ? `\r${describe(progress)}\u001b[K` : `${describe(progress)}\n`);
      open = stream.isTTY;
    },
    end() {
      if (open) stream.write("\n");
      open = false;
    },
  };
}

function describe({ rows, samples, skipped, picturesPerSecond }: EmbedProgress): string {
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
