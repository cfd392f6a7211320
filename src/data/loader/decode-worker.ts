/** A decode worker of the loader: writes pixels into cells, answers with tokens. */
import { workerData } from "node:worker_threads";
import { createTokenizer } from "../../text/index.ts";
import { serveDecoding } from "../image/decoder-pool.ts";
import { SampleDecoder } from "./decode-sample.ts";
import { pixelBytes } from "./options.ts";
import type { DecoderData, DecoderReady, DecodeTask, Decoded } from "./protocol.ts";

const { options, reading, cells } = workerData as DecoderData;
const cellBytes = pixelBytes(options);

serveDecoding<DecodeTask, Decoded, DecoderReady>(async () => {
  const { tokenizer: description } = options;
  const tokenizer = description === undefined ? undefined : await createTokenizer(description);
  const decoder = new SampleDecoder({ options, reading, tokenizer });
  return {
    ready: { contextLength: tokenizer?.contextLength ?? 0 },
    decode: (task) => decoder.decode(task, new Uint8Array(cells, task.cell * cellBytes, cellBytes)),
    close: () => decoder.close(),
  };
});
