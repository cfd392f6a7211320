/** What every command that loads a model may be told of fetching it. */
import type { FetchProgress } from "../../hub/progress.ts";
import type { HubFetchOptions } from "../../checkpoints/local-model.ts";
import type { OptionValues } from "../command.ts";
import { progressLine } from "../print/progress-line.ts";

/** Tokens, proxies, mirrors and the cache folder have their usual environment variables. */
export const hubOptions = {
  offline: { type: "boolean", help: "fetch nothing: models of the hub come from the cache" },
} as const;

/** Progress and warnings go to standard error. */
export function hubFetching(
  { offline }: OptionValues<typeof hubOptions>,
  note: (text: string) => void,
  stream: Pick<NodeJS.WriteStream, "write" | "isTTY"> = process.stderr,
): HubFetchOptions {
  const line = progressLine(stream, describe);
  return {
    ...(offline ? { offline } : {}),
    onWarning: note,
    onProgress: (progress) => {
      line.show(progress);
      if (progress.filesDone === progress.files) line.end();
    },
  };
}

function describe({ files, filesDone, allReceived, allTotal }: FetchProgress): string {
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  return `fetching ${megabytes(allReceived)} of ${megabytes(allTotal)} MB, ${filesDone} of ${files} files`;
}
