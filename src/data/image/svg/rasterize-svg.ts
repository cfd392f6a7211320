/** Drawings (SVG) to pictures: read as plain drawings, then rasterised by librsvg in a process that is watched. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { NoPlainDrawing } from "./xml-tree.ts";
import { plainSvg } from "./plain-svg.ts";

export interface SvgOptions {
  /** The longer side of what is drawn, pixels, 1 to 1024. */
  size: number;
}

export interface DrawingRequest {
  id: number;
  text: string;
  /** the most pixels that the drawing may have */
  pixels: number;
}

export type DrawingReply = { id: number; png: Uint8Array } | { id: number; reason: string };

export const MOST_SVG_SIZE = 1024;
/** For one drawing: an ordinary one takes milliseconds. */
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

/**
 * The drawing as a PNG, on white: what a drawing leaves free hides no colour that could be shown instead.
 *
 * seconds  after which it is given up
 *
 * throws  NoPlainDrawing with a short reason: no plain drawing, one that cannot be drawn, or one that takes
 *         too long
 */
export async function rasterizeSvg(
  bytes: Uint8Array,
  { size }: SvgOptions,
  seconds: number = MOST_SECONDS,
): Promise<Uint8Array> {
  const reply = await drawElsewhere(plainSvg(bytes, size), size * size, seconds);
  if ("reason" in reply) {
    throw new NoPlainDrawing(`it cannot be drawn (${reply.reason.trim().split("\n")[0]})`);
  }
  return reply.png;
}

interface Job {
  request: DrawingRequest;
  seconds: number;
  resolve: (reply: DrawingReply) => void;
}

/** One drawing at a time, so that only the one that takes too long is ended with its process. */
const queue: Job[] = [];
let current: (Job & { timer: NodeJS.Timeout }) | undefined;
let child: ChildProcess | undefined;
let nextId = 0;

function drawElsewhere(text: string, pixels: number, seconds: number): Promise<DrawingReply> {
  return new Promise((resolve) => {
    queue.push({ request: { id: nextId++, text, pixels }, seconds, resolve });
    drawNext();
  });
}

function drawNext(): void {
  if (current !== undefined) return;
  const job = queue.shift();
  if (job === undefined) {
    // An idle process keeps this one from nothing.
    child?.channel?.unref();
    return;
  }
  const { request, seconds } = job;
  const { id } = request;
  const drawing = (child ??= startChild());
  const timer = setTimeout(() => {
    if (child === drawing) child = undefined;
    drawing.kill("SIGKILL");
    settle({ id, reason: `it takes more than ${seconds} seconds` });
  }, seconds * 1000);
  current = { ...job, timer };
  drawing.channel?.ref();
  drawing.send(request, (error) => {
    if (error !== null) settle({ id, reason: error.message });
  });
}

function settle(reply: DrawingReply): void {
  if (current?.request.id !== reply.id) return;
  const { resolve, timer } = current;
  clearTimeout(timer);
  current = undefined;
  resolve(reply);
  drawNext();
}

function startChild(): ChildProcess {
  const file = fileURLToPath(new URL("./svg-child.js", import.meta.url));
  const started = fork(file, [], { execArgv: [], serialization: "advanced", stdio: "ignore" });
  // It ends when the channel does.
  started.unref();
  const ended = (reason: string): void => {
    const wasCurrent = child === started;
    if (wasCurrent) child = undefined;
    if (wasCurrent && current !== undefined) settle({ id: current.request.id, reason });
  };
  started.on("message", (reply: DrawingReply) => settle(reply));
  started.on("error", (error) => ended(error.message));
  started.on("exit", () => ended("the process that draws it ended"));
  return started;
}
