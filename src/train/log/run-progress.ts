/**
 * The progress of training for people: one line that redraws itself on a terminal, plain lines now
 * and then elsewhere. Writes only to the stream that it is given.
 */

/** What `process.stderr` offers, as far as it is needed here. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** Where training stands. */
interface ProgressState {
  readonly step: number;
  readonly totalSteps: number;
  /** Where the run stands in steps, by its minutes where these are further on; `step` when absent. */
  readonly position?: number | undefined;
  /** Until the run's minutes are over; undefined where only steps bound it. */
  readonly secondsLeft?: number | undefined;
  /** Steps per second; the rest of the time follows from it. Unknown at first. */
  readonly stepsPerSecond?: number | undefined;
  readonly examplesPerSecond?: number | undefined;
  readonly loss?: number | undefined;
  /** Share in [0, 1]. */
  readonly contrastiveAccuracy?: number | undefined;
  /** A word or two on what happens besides steps, such as `evaluating`. */
  readonly note?: string | undefined;
}

/**
 * One line that fits `columns` characters: the least important parts go first.
 *
 *     [=======>            ]  38 %  step 380/1000  loss 2.104  acc 41 %  212 examples/s  ETA 2 min 3 s
 *
 * Without `columns` there is no bar and nothing is left out.
 */
export function formatProgress(state: ProgressState, columns?: number): string {
  const { step, totalSteps, position = step, note } = state;
  const share = totalSteps > 0 ? Math.min(1, position / totalSteps) : 0;
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
  const parts = [percent, `step ${step}/${totalSteps}`, ...details(state)];
  if (note !== undefined) parts.push(note);
  if (columns === undefined) return parts.join("  ").trimStart();
  const line = parts.join("  ");
  // The last column stays free: some terminals wrap as soon as it is filled.
  const room = columns - 1;
  const bar = Math.min(24, room - line.length - 4);
  if (bar >= 6) return `${drawBar(share, bar)}  ${line}`;
  while (parts.length > 1 && parts.join("  ").length > room) parts.pop();
  return parts.join("  ").slice(0, Math.max(0, room));
}

/** From the most to the least important: what is dropped last comes first. */
function details(state: ProgressState): string[] {
  const { loss, contrastiveAccuracy, examplesPerSecond } = state;
  const parts: string[] = [];
  const left = timeLeft(state);
  if (loss !== undefined) parts.push(`loss ${loss.toFixed(3)}`);
  if (left !== undefined) parts.push(`ETA ${formatDuration(left)}`);
  if (contrastiveAccuracy !== undefined) {
    parts.push(`acc ${String(Math.round(contrastiveAccuracy * 100))} %`);
  }
  if (examplesPerSecond !== undefined) parts.push(`${formatRate(examplesPerSecond)} examples/s`);
  return parts;
}

function drawBar(share: number, width: number): string {
  const filled = Math.round(share * width);
  const head = filled < width ? ">" : "";
  return `[${("=".repeat(filled) + head).padEnd(width).slice(0, width)}]`;
}

function formatRate(rate: number): string {
  return rate < 10 ? rate.toFixed(1) : String(Math.round(rate));
}

/** By the steps or by the minutes, whichever are over first; unknown before the speed of steps is. */
function timeLeft(state: ProgressState): number | undefined {
  const { step, totalSteps, stepsPerSecond = 0, secondsLeft = Infinity } = state;
  if (!(stepsPerSecond > 0)) return undefined;
  return Math.min(Math.max(0, totalSteps - step) / stepsPerSecond, secondsLeft);
}

/** Seconds in words of at most two units: `9 s`, `2 min 3 s`, `1 h 5 min`, `3 d 4 h`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "unknown";
  const whole = Math.max(0, Math.round(seconds));
  const units: [string, number][] = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  const first = Math.max(
    0,
    units.findIndex(([, size]) => whole >= size),
  );
  const [name, size] = units[whole === 0 ? 3 : first] ?? ["s", 1];
  const next = units[first + 1];
  const rest = next === undefined ? 0 : Math.floor((whole % size) / next[1]);
  const head = `${Math.floor(whole / size)} ${name}`;
  return rest > 0 && next !== undefined ? `${head} ${rest} ${next[0]}` : head;
}

/**
 * Steps per second over the last minute: follows a change of speed, forgets the slow first steps,
 * and knows nothing of the steps that an earlier process took before a resume.
 */
export class StepRate {
  readonly #marks: { time: number; step: number }[] = [];
  readonly #window: number;

  /** `window` in seconds. */
  constructor(window = 60) {
    this.#window = window;
  }

  /** Notes that `step` was reached at `time`, in seconds; returns the rate once it is known. */
  mark(step: number, time: number): number | undefined {
    const marks = this.#marks;
    const last = marks.at(-1);
    // A mark for each hundredth of the window is enough; more would only grow the list.
    if (last === undefined || marks.length === 1 || time - last.time >= this.#window / 100) {
      marks.push({ time, step });
    }
    while (marks.length > 2 && time - (marks[0]?.time ?? 0) > this.#window) marks.shift();
    const first = marks[0];
    if (first === undefined || !(time > first.time) || step <= first.step) return undefined;
    return (step - first.step) / (time - first.time);
  }
}

interface ProgressOptions {
  readonly totalSteps: number;
  /** Seconds between plain lines where the stream is no terminal. Default 15. */
  readonly interval?: number;
  /** Seconds, from any start; a test passes its own. */
  readonly now?: () => number;
}

/** Shows progress on a stream. */
export class ProgressLine {
  readonly #stream: ProgressStream;
  readonly #options: Required<ProgressOptions>;
  readonly #rate: StepRate = new StepRate();
  #state: ProgressState;
  #shownAt = -Infinity;
  #shownStep = -1;
  #drawn = false;

  constructor(stream: ProgressStream, options: ProgressOptions) {
    this.#stream = stream;
    this.#options = { interval: 15, now: () => performance.now() / 1000, ...options };
    this.#state = { step: 0, totalSteps: options.totalSteps };
  }

  /** Takes the state after a step; shows it if it is time to. */
  update(state: Omit<ProgressState, "totalSteps" | "stepsPerSecond">): void {
    const now = this.#options.now();
    const { totalSteps, interval } = this.#options;
    const stepsPerSecond = this.#rate.mark(state.step, now);
    this.#state = { ...state, totalSteps, stepsPerSecond };
    // Ten redraws a second look continuous; more only slow the terminal.
    const due = now - this.#shownAt >= (this.#stream.isTTY === true ? 0.1 : interval);
    if (due || Math.max(state.step, state.position ?? 0) >= totalSteps) this.#show(now);
  }

  /** Writes a whole line, such as an evaluation's result, without breaking the progress line. */
  message(text: string): void {
    if (this.#drawn) this.#stream.write("\r\u001b[K");
    this.#stream.write(`${text}\n`);
    if (!this.#drawn) return;
    this.#drawn = false;
    this.#show(this.#options.now());
  }

  /** Shows the last state if it was not shown yet, and leaves the line. */
  finish(): void {
    if (this.#state.step > 0 && this.#shownStep !== this.#state.step) {
      this.#show(this.#options.now());
    }
    if (this.#drawn) this.#stream.write("\n");
    this.#drawn = false;
  }

  #show(now: number): void {
    this.#shownAt = now;
    this.#shownStep = this.#state.step;
    if (this.#stream.isTTY === true) {
      this.#stream.write(`\r\u001b[K${formatProgress(this.#state, this.#stream.columns ?? 80)}`);
      this.#drawn = true;
    } else {
      this.#stream.write(`${formatProgress(this.#state)}\n`);
    }
  }
}
