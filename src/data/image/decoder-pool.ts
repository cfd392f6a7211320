/**
 * Threads that decode: the pool that hands tasks out, the loop that each worker runs, and errors on
 * their way between threads. Knows nothing of what a task is, nor of transforms or tokens.
 */
import { parentPort, Worker } from "node:worker_threads";
import { DataError, LimnError } from "../../errors.ts";

type ToWorker<Task> = { kind: "tasks"; id: number; tasks: Task[] } | { kind: "stop" };

type FromWorker<Result, Ready> =
  | { kind: "ready"; ready: Ready }
  | { kind: "done"; id: number; results: Result[] }
  | { kind: "failed"; error: PlainError };

interface DecoderPoolOptions<Result> {
  /** The worker's script, which calls `serveDecoding`. */
  script: URL;
  workers: number;
  /** Its `workerData`. */
  data: unknown;
  /** Called for every finished group of tasks, in any order. */
  onDone: (id: number, results: Result[]) => void;
  /** Called once, when a worker fails or ends by itself. */
  onFailure: (error: Error) => void;
}

interface Member {
  worker: Worker;
  /** Tasks handed out and not answered. */
  busy: Map<number, number>;
  exited: Promise<void>;
}

/** Workers seen from the thread that started them. `Ready` is what each reports when it is ready. */
export class DecoderPool<Task, Result, Ready = undefined> {
  readonly #members: Member[] = [];
  readonly #options: DecoderPoolOptions<Result>;
  #stopping = false;
  #failed = false;

  constructor(options: DecoderPoolOptions<Result>) {
    this.#options = options;
  }

  /**
   * Starts the workers.
   *
   * returns   what the first worker reported
   * throws    what a worker failed with: an unusable tokenizer, a missing package
   */
  async start(): Promise<Ready> {
    const starts = Array.from({ length: this.#options.workers }, () => this.#startOne());
    const [first] = await Promise.all(starts);
    return first as Ready;
  }

  /** Hands tasks, and the memory in `transfer`, to the worker with the fewest unanswered ones. */
  send(id: number, tasks: Task[], transfer: ArrayBuffer[] = []): void {
    const load = (member: Member): number => [...member.busy.values()].reduce((a, b) => a + b, 0);
    const member = this.#members.reduce((a, b) => (load(b) < load(a) ? b : a));
    member.busy.set(id, tasks.length);
    const message: ToWorker<Task> = { kind: "tasks", id, tasks };
    member.worker.postMessage(message, transfer);
  }

  /** Ends the workers after the tasks that they are at. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const message: ToWorker<Task> = { kind: "stop" };
    await Promise.all(
      this.#members.map(({ worker, exited }) => {
        worker.postMessage(message);
        return exited;
      }),
    );
  }

  #startOne(): Promise<Ready> {
    const { script, data } = this.#options;
    const worker = new Worker(script, { workerData: data });
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    const member: Member = { worker, busy: new Map(), exited };
    this.#members.push(member);
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        reject(error);
        if (this.#failed || this.#stopping) return;
        this.#failed = true;
        this.#options.onFailure(error);
      };
      worker.on("message", (message: FromWorker<Result, Ready>) => {
        if (message.kind === "ready") resolve(message.ready);
        else if (message.kind === "failed") fail(fromPlainError(message.error));
        else {
          member.busy.delete(message.id);
          this.#options.onDone(message.id, message.results);
        }
      });
      worker.on("error", (error) => fail(workerError(`it failed with ${String(error)}`, error)));
      worker.on("exit", (code) => fail(workerError(`it ended with exit code ${code}`)));
    });
  }
}

function workerError(what: string, cause?: unknown): LimnError {
  return new LimnError(
    "LIMN_WORKER",
    `Expected a decoding worker to keep running but ${what}; resume from the last checkpoint, ` +
      `with fewer workers if memory ran out`,
    cause === undefined ? {} : { cause },
  );
}

/** What a worker does, once it has started. */
interface DecoderWork<Task, Result, Ready> {
  ready: Ready;
  /** One task; a rejection ends the pool. */
  decode: (task: Task) => Promise<Result>;
  close?: () => void;
}

/**
 * A decode worker's whole life: starts, does its tasks one after another (one worker is one core),
 * and ends when the pool stops.
 */
export function serveDecoding<Task, Result, Ready>(
  start: () => Promise<DecoderWork<Task, Result, Ready>>,
): void {
  const port = parentPort!;
  const post = (message: FromWorker<Result, Ready>): void => port.postMessage(message);
  const fail = (error: unknown): void => post({ kind: "failed", error: toPlainError(error) });
  const started = start();
  let queue: Promise<void> = started
    .then(({ ready }) => post({ kind: "ready", ready }))
    .catch(fail);

  const work = async ({ id, tasks }: ToWorker<Task> & { kind: "tasks" }): Promise<void> => {
    const { decode } = await started;
    const results: Result[] = [];
    for (const task of tasks) results.push(await decode(task));
    post({ kind: "done", id, results });
  };
  const stop = async (): Promise<void> => {
    // Whatever happens: a worker whose port stays open never ends.
    port.close();
    (await started).close?.();
  };
  port.on("message", (message: ToWorker<Task>) => {
    queue = queue.then(() => (message.kind === "stop" ? stop() : work(message))).catch(fail);
  });
}

/** An error as it travels between threads: classes do not survive structured cloning. */
export interface PlainError {
  name: string;
  message: string;
  stack?: string;
  code?: string;
  source?: string;
  key?: string;
}

export function toPlainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, stack } = error;
  const plain: PlainError = { name, message };
  if (stack !== undefined) plain.stack = stack;
  if (error instanceof LimnError) plain.code = error.code;
  if (error instanceof DataError) {
    plain.source = error.source;
    if (error.key !== undefined) plain.key = error.key;
  }
  return plain;
}

/** The error again, of its class where that matters to callers; the worker's own is the cause. */
export function fromPlainError(plain: PlainError): Error {
  const cause = new Error(plain.message);
  cause.name = plain.name;
  if (plain.stack !== undefined) cause.stack = plain.stack;
  if (plain.source !== undefined) {
    const at =
      plain.key === undefined ? { source: plain.source } : { source: plain.source, key: plain.key };
    return new DataError(plain.message, at, { cause });
  }
  if (plain.code !== undefined) return new LimnError(plain.code, plain.message, { cause });
  if (plain.name === "TypeError") return new TypeError(plain.message, { cause });
  if (plain.name === "RangeError") return new RangeError(plain.message, { cause });
  return new Error(plain.message, { cause });
}
