/** The worker of `DecodeCheck`: decodes a picture at a time and says what is wrong with it. */
import { type CheckTask, undecodable } from "./decode-check.ts";
import { serveDecoding } from "./image/decoder-pool.ts";

serveDecoding<CheckTask, string | undefined, undefined>(async () => ({
  ready: undefined,
  decode: undecodable,
}));
