import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { SetupError } from "./context.mjs";
import { progress } from "./report.mjs";

/**
 * Downloads `url` to `file`; a cut or altered download fails.
 * @param {string} url
 * @param {string} file
 * @param {string} [sha256] hexadecimal
 */
export async function download(url, file, sha256) {
  const response = await request(url);
  const total = Number(response.headers.get("content-length") ?? 0);
  const hash = createHash("sha256");
  let received = 0;
  let shown = 0;
  const meter = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      received += chunk.length;
      if (Date.now() - shown > 500) {
        shown = Date.now();
        const of = total ? ` of ${(total / 1e6).toFixed(0)}` : "";
        progress(`downloading ${(received / 1e6).toFixed(0)}${of} MB`);
      }
      done(null, chunk);
    },
  });
  try {
    const body = /** @type {import("node:stream/web").ReadableStream} */ (response.body);
    await pipeline(Readable.fromWeb(body), meter, createWriteStream(file));
  } catch (error) {
    throw new SetupError(`downloading ${url} broke off: ${reasonOf(error)}`, { cause: error });
  }
  if (total && received !== total) {
    throw new SetupError(`${url} gave ${received} of ${total} bytes; try again.`);
  }
  if (sha256 && hash.digest("hex") !== sha256) {
    throw new SetupError(`${url} is not the file that the index describes (sha256 differs).`);
  }
}

/** @param {string} url */
export async function request(url) {
  let response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new SetupError(`${url} cannot be reached: ${reasonOf(error)}`, { cause: error });
  }
  if (!response.ok || !response.body) {
    throw new SetupError(`${url} answers ${response.status} ${response.statusText}`);
  }
  return response;
}

/** @param {unknown} error */
function reasonOf(error) {
  const { cause, message } = /** @type {Error} */ (error);
  return cause instanceof Error ? cause.message : message;
}
