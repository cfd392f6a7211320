/**
 * Options and environment variables of the hub, read as Python's huggingface_hub reads them
 * (huggingface_hub 2.4, constants.py and utils/_auth.py), so that one setting serves both.
 */
import { homedir } from "node:os";
import path from "node:path";
import { HubError } from "../errors.ts";
import { readTextFile, readingReason } from "../files/regular-file.ts";

/** How the hub is reached and where its files are kept; every field has a default. */
export interface HubOptions {
  /** default `$HF_HUB_CACHE`, `$HF_HOME/hub`, `$XDG_CACHE_HOME/huggingface/hub`, `~/.cache/...` */
  readonly cacheFolder?: string | undefined;
  /** default `$HF_ENDPOINT`, else https://huggingface.co */
  readonly endpoint?: string | undefined;
  /** default `$HF_TOKEN`, `$HF_TOKEN_PATH`, `$HF_HOME/token`; `false` sends none */
  readonly token?: string | false | undefined;
  /** only the cache is used; default `$HF_HUB_OFFLINE` */
  readonly offline?: boolean | undefined;
  /** files at a time; default 4 */
  readonly concurrency?: number | undefined;
  /** how often a request is tried again; default 5 */
  readonly retries?: number | undefined;
  /** the wait before the first retry, in milliseconds; it doubles, up to 8 s; default 1000 */
  readonly backoffMs?: number | undefined;
  /** default 10,000 */
  readonly connectTimeoutMs?: number | undefined;
  /** how long the server may send nothing; default `$HF_HUB_DOWNLOAD_TIMEOUT` s, else 30,000 */
  readonly idleTimeoutMs?: number | undefined;
  /** the variables to read instead of `process.env` */
  readonly environment?: Environment | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface HubSettings {
  readonly cacheFolder: string;
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly offline: boolean;
  readonly symlinks: boolean;
  readonly concurrency: number;
  readonly retries: number;
  readonly backoffMs: number;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** addresses of proxies; empty for none */
  readonly proxy: { readonly http: string; readonly https: string; readonly except: string };
}

/**
 * Options, then environment variables, then defaults.
 *
 * throws  HubError (`settings`) for a value that cannot be used; it never repeats the token
 */
export function resolveSettings(options: HubOptions): HubSettings {
  const env = options.environment ?? process.env;
  const home = homeFolder(env);
  return {
    cacheFolder: path.resolve(
      options.cacheFolder ??
        expand(env, first(env, "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")) ??
        path.join(home, "hub"),
    ),
    endpoint: readEndpoint(options.endpoint ?? first(env, "HF_ENDPOINT")),
    token: options.token === false ? undefined : readToken(options.token, env, home),
    offline: options.offline ?? isTrue(first(env, "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")),
    symlinks: !isTrue(env["HF_HUB_DISABLE_SYMLINKS"]),
    concurrency: count("concurrency", options.concurrency ?? 4, 1),
    retries: count("retries", options.retries ?? 5),
    backoffMs: count("backoffMs", options.backoffMs ?? 1000),
    connectTimeoutMs: count("connectTimeoutMs", options.connectTimeoutMs ?? 10_000, 1),
    idleTimeoutMs: count("idleTimeoutMs", options.idleTimeoutMs ?? idleFrom(env) ?? 30_000, 1),
    proxy: {
      http: proxyAddress(env, "http_proxy", "HTTP_PROXY"),
      https: proxyAddress(env, "https_proxy", "HTTPS_PROXY"),
      except: first(env, "no_proxy", "NO_PROXY") ?? "",
    },
  };
}

function homeFolder(env: Environment): string {
  const cache = first(env, "XDG_CACHE_HOME") ?? path.join(userFolder(env), ".cache");
  return expand(env, first(env, "HF_HOME") ?? path.join(cache, "huggingface"))!;
}

function userFolder(env: Environment): string {
  return first(env, "HOME", "USERPROFILE") ?? homedir();
}

/** The first variable that is set and not empty. */
function first(env: Environment, ...names: string[]): string | undefined {
  return names.map((name) => env[name]).find((value) => value !== undefined && value !== "");
}

/** Replaces `~` at the start and `$NAME`, `${NAME}` anywhere; unknown names stay as they are. */
function expand(env: Environment, value: string | undefined): string | undefined {
  return value
    ?.replace(/^~(?=$|[\\/])/, () => userFolder(env))
    .replace(/\$(?:(\w+)|\{(\w+)\})/g, (whole, plain, braced) => env[plain ?? braced] ?? whole);
}

function isTrue(value: string | undefined): boolean {
  return ["1", "ON", "YES", "TRUE"].includes((value ?? "").toUpperCase());
}

function readEndpoint(value = "https://huggingface.co"): string {
  if (URL.canParse(value)) {
    const { protocol, username, password, search, hash } = new URL(value);
    // Not repeated: messages name the address, and it would not be sent.
    if (username || password) {
      const what = "an address without user and password, whose token is in HF_TOKEN,";
      throw unusable(what, "endpoint (HF_ENDPOINT)", "one with them");
    }
    if (/^https?:$/.test(protocol) && !search && !hash) return value.replace(/\/+$/, "");
  }
  const shown = value.replace(/([?#]).*/s, "$1...");
  throw unusable("an address with https:// or http://", "endpoint (HF_ENDPOINT)", `"${shown}"`);
}

function readToken(option: string | undefined, env: Environment, home: string): string | undefined {
  const implicit = !isTrue(env["HF_HUB_DISABLE_IMPLICIT_TOKEN"]);
  const stored = () =>
    first(env, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") ??
    tokenOfFile(expand(env, first(env, "HF_TOKEN_PATH")) ?? path.join(home, "token"));
  const token = (option ?? (implicit ? stored() : undefined))?.trim();
  if (!token) return undefined;
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw unusable("printable characters without spaces", "token (HF_TOKEN)", "something else");
}

function tokenOfFile(file: string): string | undefined {
  try {
    return readTextFile(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new HubError(
      "settings",
      `Expected a file that can be read for HF_TOKEN_PATH but received ${file} (${readingReason(cause)}); correct its permissions or set HF_TOKEN.`,
      { cause },
    );
  }
}

function proxyAddress(env: Environment, ...names: string[]): string {
  const value = first(env, ...names);
  if (value === undefined) return "";
  const address = value.includes("://") ? value : `http://${value}`;
  if (URL.canParse(address) && /^https?:$/.test(new URL(address).protocol)) return address;
  // The address may hold a password: it is not repeated.
  throw unusable("http://host:port of an HTTP proxy", names.join(", "), "another address");
}

function idleFrom(env: Environment): number | undefined {
  const value = first(env, "HF_HUB_DOWNLOAD_TIMEOUT");
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value) && Number(value) > 0) return Number(value) * 1000;
  throw unusable("whole seconds", "HF_HUB_DOWNLOAD_TIMEOUT", `"${value}"`);
}

function count(name: string, value: number, least = 0): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw unusable(`a whole number of at least ${least}`, name, String(value));
}

function unusable(what: string, name: string, received: string): HubError {
  return new HubError(
    "settings",
    `Expected ${what} for ${name} but received ${received}; correct it or leave it out.`,
  );
}
