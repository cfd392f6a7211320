/**
 * The error classes of limn. Messages follow one pattern:
 * `Expected <what> for <name> but received <value>; <what to do>`.
 * `code` is stable; callers branch on it, never on the text.
 */
export class LimnError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Tensors, arrays or images whose shapes do not fit together. */
export class ShapeError extends LimnError {
  constructor(message: string, options?: ErrorOptions) {
    super("LIMN_SHAPE", message, options);
  }
}

/** An option, or a field of a description, that cannot be; `path` names it: `tokenizer.padId`. */
export class SettingError extends LimnError {
  readonly path: string;
  constructor(path: string, message: string, options?: ErrorOptions, code = "LIMN_SETTING") {
    super(code, message, options);
    this.path = path;
  }
}

/** A recipe that cannot run; `path` names the key, such as `train.batchSize`. */
export class RecipeError extends SettingError {
  constructor(path: string, message: string, options?: ErrorOptions) {
    super(path, message, options, "LIMN_RECIPE");
  }
}

/** A sample, shard or source that cannot be read; `source` and `key` name it. */
export class DataError extends LimnError {
  readonly source: string;
  readonly key: string | undefined;
  /** What is wrong, without the name of the sample, for messages that have that already. */
  readonly reason: string;
  constructor(
    message: string,
    at: { source: string; key?: string },
    { reason = message, ...options }: ErrorOptions & { reason?: string } = {},
  ) {
    super("LIMN_DATA", message, options);
    this.source = at.source;
    this.key = at.key;
    this.reason = reason;
  }
}

/** A sample as messages name it: `a in train.tar`; by its file alone where this ends with the key. */
export function sampleIn(source: string, key: string | undefined): string {
  const isNamed = key === undefined || `/${source}`.endsWith(`/${key}`);
  return isNamed ? source : `${key} in ${source}`;
}

/** A checkpoint that does not fit: the file and every missing, unexpected or mis-shaped weight. */
export class CheckpointError extends LimnError {
  readonly file: string;
  constructor(file: string, message: string, options?: ErrorOptions) {
    super("LIMN_CHECKPOINT", message, options);
    this.file = file;
  }
}

/** A checkpoint whose files leave a question open; `option` names the option that settles it. */
export class UnsettledError extends CheckpointError {
  readonly option: string;
  constructor(file: string, option: string, message: string) {
    super(file, message);
    this.option = option;
  }
}

/** A file or folder that cannot be written: a full disk, no permission, a folder that is not there. */
export class StorageError extends LimnError {
  readonly file: string;
  constructor(file: string, message: string, options?: ErrorOptions) {
    super("LIMN_STORAGE", message, options);
    this.file = file;
  }
}

/** A tensor, scope or worker that is used after it was disposed. */
export class DisposedError extends LimnError {
  constructor(message: string) {
    super("LIMN_DISPOSED", message);
  }
}

/** The engine cannot be loaded or set up on this machine; the message names the cure. */
export class EngineError extends LimnError {
  constructor(message: string, options?: ErrorOptions) {
    super("LIMN_ENGINE", message, options);
  }
}

/** An operator of libtorch that failed; `operator` names it, the cause is libtorch's own error. */
export class NativeError extends LimnError {
  readonly operator: string;
  constructor(operator: string, message: string, options?: ErrorOptions) {
    super("LIMN_NATIVE", message, options);
    this.operator = operator;
  }
}

/** What went wrong with a model of the hub; callers branch on it. */
export type HubFailure =
  /** the text does not name a model */
  | "reference"
  /** an option or an environment variable cannot be used */
  | "settings"
  /** the hub asks for a token, or does not accept the one it got */
  | "token"
  /** the licence of the model was not accepted yet */
  | "gated"
  /** no such repository, revision or file */
  | "not-found"
  /** the network may not be used and the cache does not hold the files */
  | "offline"
  /** no connection, a connection that broke, a time-out, a busy or broken server: after all retries */
  | "network"
  /** an answer that a hub does not give */
  | "protocol"
  /** the bytes are not those that the hub announced */
  | "checksum"
  /** the cache folder cannot be written */
  | "disk";

/** A model that cannot be fetched from the hub; `failure` says why. */
export class HubError extends LimnError {
  readonly failure: HubFailure;
  constructor(failure: HubFailure, message: string, options?: ErrorOptions) {
    super("LIMN_HUB", message, options);
    this.failure = failure;
  }
}

/** A command line that cannot be understood (exit code 2). */
export class UsageError extends LimnError {
  constructor(message: string, options?: ErrorOptions) {
    super("LIMN_USAGE", message, options);
  }
}

/**
 * A number with its noun: `1 picture`, `2,000 pictures`.
 *
 * many  where it is not `one` with an s
 */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}

/** The candidate nearest to `word` by edit distance, or undefined when none is near enough. */
export function nearestMatch(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** ` Did you mean "x"?` or the empty string: the tail of a message about an unknown name. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const match = nearestMatch(word, candidates);
  return match === undefined ? "" : ` Did you mean "${match}"?`;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitution, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}

/**
 * Runs `body`, part of a check of a recipe, and lets its error say where in the recipe it is: what a source's
 * error calls `source.file` is `<path>.file`; other errors have the path behind them.
 */
export async function atPath<T>(path: string, body: () => T | Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof LimnError) error.message = placed(error.message, path);
    throw error;
  }
}

/** A message with the path that it is about; one that names the path already is left. */
export function placed(message: string, path: string): string {
  if (message.includes(path)) return message;
  const named = message.replace(/\bsource\.(\w+)/g, `${path}.$1`);
  if (named !== message) return named;
  return message.endsWith(".") ? `${message.slice(0, -1)} (${path}).` : `${message} (${path})`;
}
