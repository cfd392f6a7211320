/** Trying again what may succeed later: when, how often, how long to wait. */
import { setTimeout as sleep } from "node:timers/promises";
import { HubError } from "../errors.ts";

/** A failure that may pass: a cut connection, a time-out, a busy server. */
export class TransientError extends Error {
  /** how long the server asks to wait, in milliseconds */
  readonly waitMs: number | undefined;
  constructor(message: string, options: ErrorOptions & { waitMs?: number | undefined } = {}) {
    super(message, options);
    this.waitMs = options.waitMs;
  }
}

export interface RetryPlan {
  readonly retries: number;
  readonly backoffMs: number;
  readonly signal?: AbortSignal | undefined;
}

const LONGEST_BACKOFF_MS = 8_000;
/** A longer wait than this is an error that names it: nobody watches a bar that stands still. */
const LONGEST_WAIT_MS = 300_000;

/**
 * Runs `attempt` until it succeeds, fails for good, or has failed `plan.retries` times more in a
 * row. An attempt that moved forward (`progressed` returns true) starts the count anew.
 *
 * what    the thing that is fetched, for the message
 * throws  what `attempt` throws, except TransientError, which becomes a HubError (`network`)
 */
export async function retrying<T>(
  what: string,
  plan: RetryPlan,
  attempt: () => Promise<T>,
  progressed: () => boolean = () => false,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      plan.signal?.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      if (progressed()) failures = 0;
      const wait = error.waitMs ?? backoff(plan.backoffMs, failures);
      if (failures >= plan.retries || wait > LONGEST_WAIT_MS) throw gaveUp(what, failures, error);
      await sleep(wait, undefined, { signal: plan.signal });
    }
  }
}

/** What `Retry-After`, or the hub's `RateLimit: "api";r=0;t=53`, asks for, in milliseconds. */
export function requestedWait(headers: Headers, now = Date.now()): number | undefined {
  const after = headers["retry-after"];
  if (after !== undefined && /^\d+$/.test(after)) return Number(after) * 1000;
  const date = after === undefined ? Number.NaN : Date.parse(after);
  if (!Number.isNaN(date)) return Math.max(0, date - now);
  const reset = /;\s*t=(\d+)/.exec(headers["ratelimit"] ?? "")?.[1];
  return reset === undefined ? undefined : Number(reset) * 1000;
}

/** The fields of an answer, names in lower case. */
export type Headers = Readonly<Record<string, string | undefined>>;

/** Doubles from `first`; up to a quarter less, so that many clients do not return at once. */
function backoff(first: number, failures: number): number {
  const wait = Math.min(first * 2 ** failures, LONGEST_BACKOFF_MS);
  return wait * (1 - Math.random() / 4);
}

function gaveUp(what: string, failures: number, cause: TransientError): HubError {
  const asked = cause.waitMs === undefined ? "" : ` (it asks to wait ${cause.waitMs / 1000} s)`;
  const tries = failures === 0 ? "" : ` after ${failures + 1} tries`;
  return new HubError(
    "network",
    `Expected ${what} but received ${cause.message}${asked}${tries}; check the connection and the proxy, and run it again: what has arrived is kept.`,
    { cause },
  );
}
