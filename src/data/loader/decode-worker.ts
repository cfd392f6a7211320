/** A decode worker: takes tasks, writes pixels into cells, answers with tokens. */
import { parentPort, workerData } from "node:worker_threads";
import { createTokenizer } from "../../text/index.ts";
import { SampleDecoder } from "./decode-sample.ts";
import { pixelBytes } from "./options.ts";
import { toPlainError } from "./protocol.ts";
import type { DecoderData, Decoded, FromDecoder, ToDecoder } from "./protocol.ts";

const port = parentPort!;
const { options, reading, cells } = workerData as DecoderData;
const cellBytes = pixelBytes(options);

function post(message: FromDecoder, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

async function start(): Promise<SampleDecoder> {
  const { tokenizer: description } = options;
  const tokenizer = description === undefined ? undefined : await createTokenizer(description);
  post({ kind: "ready", contextLength: tokenizer?.contextLength ?? 0 });
  return new SampleDecoder({ options, reading, tokenizer });
}

const decoder = start();

/** Tasks run one after another: one worker is one core. */
let queue: Promise<void> = decoder.then(
  () => {},
  () => {},
);

async function work(message: ToDecoder & { kind: "tasks" }): Promise<void> {
  const ready = await decoder;
  const results: Decoded[] = [];
  for (const task of message.tasks) {
    const pixels = new Uint8Array(cells, task.cell * cellBytes, cellBytes);
    results.push(await ready.decode(task, pixels));
  }
  post({ kind: "done", id: message.id, results });
}

async function stop(): Promise<void> {
  // Whatever happens: a worker whose port stays open never ends.
  port.close();
  (await decoder).close();
}

function fail(error: unknown): void {
  post({ kind: "failed", error: toPlainError(error) });
}

decoder.catch(fail);
port.on("message", (message: ToDecoder) => {
  queue = queue.then(() => (message.kind === "stop" ? stop() : work(message))).catch(fail);
});
