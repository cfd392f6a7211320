/** A line that tells how far something is: rewritten on a terminal, now and then elsewhere. */

/** Milliseconds between lines of a stream that is no terminal. */
const EVERY_MS = 10_000;

export interface ProgressLine<T> {
  show: (progress: T) => void;
  /** Leaves the line; more than once does nothing. */
  end: () => void;
}

/** `describe` makes the line's text. */
export function progressLine<T>(
  stream: Pick<NodeJS.WriteStream, "write" | "isTTY">,
  describe: (progress: T) => string,
  clock: () => number = () => performance.now(),
): ProgressLine<T> {
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
