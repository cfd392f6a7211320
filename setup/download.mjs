import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { SetupError } from "./context.mjs";
import { progress } from "./report.mjs";

/**
 * Downloads for setup, through the proxies that the environment names. undici rather than Node's own
 * fetch, which knows proxies from Node 24 on only; it is loaded here, after the npm packages are there.
 *
 * @typedef {import("undici").Response} Response
 */

/**
 * Downloads `url` to `file`; a cut or altered download fails.
 * @param {string} url
 * @param {string} file
 * @param {string} [sha256] hexadecimal
 * @returns {Promise<string>} the sha256 of what came
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
  const digest = hash.digest("hex");
  if (sha256 !== undefined && digest !== sha256) {
    throw new SetupError(
      `Expected the sha256 ${sha256} for ${url} but received ${digest}; ` +
        "nothing of it was used: the file was altered on its way or replaced at its source.",
    );
  }
  return digest;
}

/**
 * @param {string} url
 * @returns {Promise<Response>}
 */
export async function request(url) {
  const { fetch } = await import("undici");
  const dispatcher = await proxies();
  let response;
  try {
    // a body that the server compresses would not have the announced length
    response = await fetch(url, { dispatcher, headers: { "accept-encoding": "identity" } });
  } catch (error) {
    const reason = reasonOf(error);
    const cure = reason.includes("(407)")
      ? "; put user:password@ before the proxy's host in HTTPS_PROXY or HTTP_PROXY"
      : "";
    throw new SetupError(`${url} cannot be reached: ${reason}${cure}`, { cause: error });
  }
  if (!response.ok || !response.body) {
    throw new SetupError(`${url} answers ${response.status} ${response.statusText}`);
  }
  return response;
}

/** @type {import("undici").EnvHttpProxyAgent | undefined} */
let agent;

/** The connections that HTTPS_PROXY, HTTP_PROXY and NO_PROXY ask for; small letters come first. */
async function proxies() {
  if (agent) return agent;
  const { EnvHttpProxyAgent } = await import("undici");
  agent = new EnvHttpProxyAgent({
    httpProxy: proxyAddress("http_proxy", "HTTP_PROXY"),
    httpsProxy: proxyAddress("https_proxy", "HTTPS_PROXY"),
    noProxy: process.env.no_proxy || process.env.NO_PROXY || "",
    proxyTunnel: false,
  });
  return agent;
}

/**
 * The proxy's address, also where it was written without `http://`; empty for none.
 * @param {string[]} names of variables, the first that is set counts
 */
function proxyAddress(...names) {
  const value = names.map((name) => process.env[name]).find(Boolean);
  if (!value) return "";
  const address = value.includes("://") ? value : `http://${value}`;
  if (URL.canParse(address) && /^https?:$/.test(new URL(address).protocol)) return address;
  // the address may hold a password: it is not repeated
  throw new SetupError(
    `Expected http://host:port of an HTTP proxy for ${names.join(", ")} but received another ` +
      "address; correct it or leave it out.",
  );
}

/**
 * What the innermost error says: those around it only say that something failed.
 * @param {unknown} error
 */
function reasonOf(error) {
  let at = /** @type {Error} */ (error);
  while (at.cause instanceof Error) at = at.cause;
  return at.message;
}
