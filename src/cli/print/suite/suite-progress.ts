/** How far a suite is: a line for each set, rewritten as its pictures are embedded. */
import { counted } from "../../../errors.ts";
import type { EvaluateSuiteOptions } from "../../../evaluate/evaluate-suite.ts";
import { progressLine } from "../progress-line.ts";

/** `isAsked` tells, after every batch, whether the run is to stop. */
export function suiteProgress(
  count: number,
  note: (text: string) => void,
  isAsked: () => boolean,
): {
  progress: Required<Pick<EvaluateSuiteOptions, "onSet" | "onPictures" | "onResult" | "signal">>;
  end: () => void;
  stop: AbortSignal;
} {
  const line = progressLine(process.stderr, (text: string) => text);
  const controller = new AbortController();
  const stopIfAsked = (): void => {
    if (isAsked()) controller.abort();
  };
  const progress = {
    onSet: stopIfAsked,
    onPictures: ({ name }: { name: string }, done: number): void => {
      stopIfAsked();
      line.show(`${name}: ${counted(done, "picture")}`);
    },
    onResult: (
      {
        name,
        reason,
        samples = 0,
      }: { name: string; reason?: string | undefined; samples?: number | undefined },
      done: number,
    ): void => {
      line.end();
      note(`${done} of ${count}  ${name}: ${reason ?? counted(samples, "picture")}`);
    },
    signal: controller.signal,
  };
  return { progress, end: line.end, stop: controller.signal };
}
