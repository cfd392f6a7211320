/** Drawings (SVG) to pictures: read as plain drawings, then rasterised by librsvg in a watched process. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { NoPlainDrawing, plainSvg } from "./plain-svg.ts";

export interface SvgOptions {
  /** The longer side of what is drawn, pixels, 1 to 2048. */
  size: number;
}

export interface DrawingRequest {
  id: number;
  text: string;
  /** the most pixels that the drawing may have */
  pixels: number;
}

export type DrawingReply = { id: number; png: string } | { id: number; reason: string };

export const MOST_SVG_SIZE = 2048;
/** Seconds for one drawing: an ordinary one takes milliseconds. */
const MOST_SECONDS = 20;

/** Checks the setting. throws  RangeError */
export function checkSvgOptions(svg: unknown): asserts svg is SvgOptions {
  const { size, ...rest } = (svg ?? {}) as Partial<SvgOptions>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw new RangeError(`Expected only size in svg but received ${unknown}; remove it`);
  }
  if (Number.isInteger(size) && Number(size) >= 1 && Number(size) <= MOST_SVG_SIZE) return;
  throw new RangeError(
    `Expected an integer from 1 to ${MOST_SVG_SIZE} for svg.size but received ${String(size)}; ` +
      `it is the longer side of the drawing in pixels`,
  );
}

/** Whether bytes are those of an SVG file, by their beginning. */
export function isSvg(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 4096)).toString("latin1");
  return /^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>|<!--[^]*?-->|<!DOCTYPE[^>]*>|\s)*<svg[\s>/]/i.test(
    start,
  );
}

/**
 * The drawing as a PNG, on white: what a drawing leaves free hides no colour that could be shown instead.
 *
 * throws  Error with a short reason: no plain drawing, one that cannot be drawn, or one that takes too long
 */
export async function rasterizeSvg(bytes: Uint8Array, { size }: SvgOptions): Promise<Uint8Array> {
  const { text } = plainSvg(bytes, size);
  const reply = await drawnElsewhere(text, size * size);
  if ("reason" in reply) throw new NoPlainDrawing(`it cannot be drawn: ${reply.reason.trim()}`);
  return Buffer.from(reply.png, "base64");
}

interface Waiting {
  resolve: (reply: DrawingReply) => void;
  timer: NodeJS.Timeout;
}

let child: ChildProcess | undefined;
let nextId = 0;
const waiting = new Map<number, Waiting>();

function drawnElsewhere(text: string, pixels: number): Promise<DrawingReply> {
  const process_ = (child ??= startChild());
  const id = nextId++;
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      settle({ id, reason: `it takes more than ${MOST_SECONDS} seconds` });
      // Whatever else it was at is drawn no more either.
      process_.kill("SIGKILL");
    }, MOST_SECONDS * 1000);
    waiting.set(id, { resolve, timer });
    process_.channel?.ref();
    process_.send({ id, text, pixels } satisfies DrawingRequest);
  });
}

function settle(reply: DrawingReply): void {
  const found = waiting.get(reply.id);
  waiting.delete(reply.id);
  if (found === undefined) return;
  clearTimeout(found.timer);
  found.resolve(reply);
  if (waiting.size === 0) child?.channel?.unref();
}

function startChild(): ChildProcess {
  const file = fileURLToPath(new URL("./svg-child.js", import.meta.url));
  const started = fork(file, [], { execArgv: ["--max-old-space-size=256"], stdio: "ignore" });
  // It neither keeps this process alive nor outlives it: it ends when the channel does.
  started.unref();
  started.on("message", (reply: DrawingReply) => settle(reply));
  started.on("exit", () => {
    if (child === started) child = undefined;
    for (const id of waiting.keys()) settle({ id, reason: "the process that draws it ended" });
  });
  return started;
}
