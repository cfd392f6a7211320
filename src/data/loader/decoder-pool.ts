/** The decode workers, seen from the coordinator. */
import { Worker } from "node:worker_threads";
import { LimnError } from "../../errors.ts";
import { fromPlainError } from "./protocol.ts";
import type { DecoderData, DecodeTask, Decoded, FromDecoder, ToDecoder } from "./protocol.ts";

export interface DecoderPoolOptions {
  /** The worker's script. */
  script: URL;
  workers: number;
  data: DecoderData;
  /** Called for every finished group of tasks, in any order. */
  onDone: (id: number, results: Decoded[]) => void;
  /** Called once, when a worker fails or ends by itself. */
  onFailure: (error: Error) => void;
}

interface Member {
  worker: Worker;
  /** Tasks handed out and not answered. */
  busy: Map<number, number>;
  exited: Promise<void>;
}

export class DecoderPool {
  private readonly members: Member[] = [];
  private readonly options: DecoderPoolOptions;
  private stopping = false;
  private failed = false;

  constructor(options: DecoderPoolOptions) {
    this.options = options;
  }

  /**
   * Starts the workers.
   *
   * returns   the tokenizer's context length, 0 without a tokenizer
   * throws    what a worker failed with: an unusable tokenizer, a missing package
   */
  async start(): Promise<{ contextLength: number }> {
    const starts = Array.from({ length: this.options.workers }, () => this.startOne());
    const lengths = await Promise.all(starts);
    return { contextLength: lengths[0] ?? 0 };
  }

  /** Hands tasks to the worker with the fewest unanswered ones. */
  send(id: number, tasks: DecodeTask[]): void {
    const load = (member: Member): number => [...member.busy.values()].reduce((a, b) => a + b, 0);
    const member = this.members.reduce((a, b) => (load(b) < load(a) ? b : a));
    member.busy.set(id, tasks.length);
    const message: ToDecoder = { kind: "tasks", id, tasks };
    member.worker.postMessage(message, tasks.flatMap(ownedBuffers));
  }

  /** Ends the workers after the tasks that they are at. */
  async stop(): Promise<void> {
    this.stopping = true;
    const message: ToDecoder = { kind: "stop" };
    await Promise.all(
      this.members.map(({ worker, exited }) => {
        worker.postMessage(message);
        return exited;
      }),
    );
  }

  private startOne(): Promise<number> {
    const { script, data } = this.options;
    const worker = new Worker(script, { workerData: data });
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    const member: Member = { worker, busy: new Map(), exited };
    this.members.push(member);
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        reject(error);
        if (this.failed || this.stopping) return;
        this.failed = true;
        this.options.onFailure(error);
      };
      worker.on("message", (message: FromDecoder) => {
        if (message.kind === "ready") resolve(message.contextLength);
        else if (message.kind === "failed") fail(fromPlainError(message.error));
        else {
          member.busy.delete(message.id);
          this.options.onDone(message.id, message.results);
        }
      });
      worker.on("error", (error) => fail(workerError(`it failed with ${String(error)}`, error)));
      worker.on("exit", (code) => fail(workerError(`it ended with exit code ${code}`)));
    });
  }
}

/** Bytes of compressed shards move to the worker, unless another example needs them too. */
function ownedBuffers({ ref, caption }: DecodeTask): ArrayBuffer[] {
  if (caption !== undefined) return [];
  const pieces = [ref.image, ref.text, ref.json, ref.classIndex];
  return pieces.flatMap((piece) =>
    piece?.bytes?.buffer instanceof ArrayBuffer ? [piece.bytes.buffer] : [],
  );
}

function workerError(what: string, cause?: unknown): LimnError {
  return new LimnError(
    "LIMN_WORKER",
    `Expected a decoding worker to keep running but ${what}; resume from the last checkpoint, ` +
      `with fewer workers if memory ran out`,
    cause === undefined ? {} : { cause },
  );
}
