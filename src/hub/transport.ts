/** Single HTTP requests: proxies, time-outs, and which failures may pass. Follows no redirect. */
import type { Dispatcher } from "undici";
import { HubError } from "../errors.ts";
import type { HubSettings } from "./settings.ts";
import { TransientError, type Headers } from "./retry.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** the bytes as they arrive; throws TransientError when the connection breaks or stands still */
  chunks(): AsyncGenerator<Uint8Array>;
  /** Gives the connection back without reading on. */
  discard(): Promise<void>;
}

export interface Transport {
  send(method: "GET" | "HEAD", url: URL, headers: Headers, signal?: AbortSignal): Promise<Answer>;
  close(): Promise<void>;
}

/** Codes that a retry does not change, and what does. */
const LASTING = new Map([
  ["ENOTFOUND", "check the spelling of the address (HF_ENDPOINT) and the connection"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "name your authority's file in NODE_EXTRA_CA_CERTS"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "name the certificate's file in NODE_EXTRA_CA_CERTS"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "name your authority's file in NODE_EXTRA_CA_CERTS"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "name your authority's file in NODE_EXTRA_CA_CERTS"],
  ["CERT_HAS_EXPIRED", "check the clock of this machine"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "check the address (HF_ENDPOINT) and the proxy"],
]);

/**
 * Opens connections as the settings say. undici rather than Node's fetch: that one knows proxies
 * from Node 24 on only, and it decodes bodies, which resumed downloads cannot have.
 */
export async function openTransport(settings: HubSettings): Promise<Transport> {
  // Loaded here: a model that is in the cache is read without it.
  const { EnvHttpProxyAgent, request } = await import("undici");
  const timeout = settings.connectTimeoutMs;
  const dispatcher = new EnvHttpProxyAgent({
    httpProxy: settings.proxy.http,
    httpsProxy: settings.proxy.https,
    noProxy: settings.proxy.except,
    connect: { timeout },
    proxyTls: { timeout },
    requestTls: { timeout },
    proxyTunnel: false,
  });
  const send: Transport["send"] = async (method, url, headers, signal) => {
    // One clock until the headers, whatever stands between here and there.
    const clock = new AbortController();
    const limit = timeout + settings.idleTimeoutMs;
    const timer = setTimeout(
      () => clock.abort(new TransientError(`no answer of ${url.host} for ${limit / 1000} s`)),
      limit,
    );
    try {
      const answer = await request(url, {
        method,
        headers: { ...headers, "accept-encoding": "identity" },
        dispatcher,
        headersTimeout: 0,
        bodyTimeout: settings.idleTimeoutMs,
        signal: signal === undefined ? clock.signal : AbortSignal.any([clock.signal, signal]),
      });
      return toAnswer(url, answer, signal);
    } catch (error) {
      throw translate(url, error, signal);
    } finally {
      clearTimeout(timer);
    }
  };
  return { send, close: () => dispatcher.destroy() };
}

function toAnswer(
  url: URL,
  { statusCode, headers, body }: Dispatcher.ResponseData,
  signal: AbortSignal | undefined,
): Answer {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body) yield chunk as Uint8Array;
    } catch (error) {
      throw translate(url, error, signal);
    }
  }
  const fields = Object.entries(headers).map(([name, value]) => [
    name.toLowerCase(),
    Array.isArray(value) ? value[0] : value,
  ]);
  return {
    status: statusCode,
    headers: Object.fromEntries(fields) as Headers,
    chunks,
    // A connection that breaks while it is given back is of no interest.
    discard: () => body.dump({ limit: 65_536 }).catch(() => {}),
  };
}

function translate(url: URL, error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  if (error instanceof TransientError || error instanceof HubError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  const cure = LASTING.get(code);
  if (cure !== undefined) {
    return new HubError(
      "network",
      `Expected a connection to ${url.host} but received ${code}; ${cure}.`,
      { cause: error },
    );
  }
  if (message.includes("(407)")) {
    return new HubError(
      "settings",
      `Expected the proxy to let the request to ${url.host} pass but received 407; put user:password@ before its host in HTTPS_PROXY or HTTP_PROXY.`,
      { cause: error },
    );
  }
  const words = code === "UND_ERR_BODY_TIMEOUT" ? "no data for too long" : message || code;
  return new TransientError(`a failed connection to ${url.host} (${words})`, { cause: error });
}
