/** How far the download of several files is. */

export interface FetchProgress {
  /** the file that moved on, as a path in the repository */
  readonly file: string;
  /** bytes of it that are on disk, those of an earlier try included */
  readonly received: number;
  /** bytes that it has */
  readonly total: number;
  /** files to fetch; those that the cache had are not counted */
  readonly files: number;
  readonly filesDone: number;
  /** the same as received and total, over all files; the total is of the sizes known so far */
  readonly allReceived: number;
  readonly allTotal: number;
}

/** Returns what the downloads call: with a file, its bytes so far, and all its bytes. */
export function createProgress(
  files: readonly { readonly file: string; readonly size: number | undefined }[],
  report: ((progress: FetchProgress) => void) | undefined,
): (file: string, received: number, total: number) => void {
  const states = new Map(
    files.map(({ file, size }) => [file, { received: -1, total: size ?? 0 }] as const),
  );
  const sum = (of: (state: { received: number; total: number }) => number) =>
    [...states.values()].reduce((total, state) => total + of(state), 0);
  return (file, received, total) => {
    const state = states.get(file);
    if (report === undefined || state === undefined) return;
    if (state.received === received && state.total === total) return;
    Object.assign(state, { received, total });
    report({
      file,
      received,
      total,
      files: states.size,
      filesDone: sum((state) => Number(state.received === state.total)),
      allReceived: sum((state) => Math.max(0, state.received)),
      allTotal: sum((state) => state.total),
    });
  };
}
