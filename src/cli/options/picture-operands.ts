/** Pictures as operands: files, folders, and the sources that other commands take. */
import { closeSync, readSync, statSync } from "node:fs";

import { readSamples } from "../../data/sources/read-sample.ts";
import { openSource } from "../../data/sources/open-source.ts";
import { isImageExtension, splitEnding } from "../../data/paths/file-kinds.ts";
import type { Problem, Source } from "../../data/sources/source.ts";
import { noPath } from "../../data/paths/web-address.ts";
import { readImageHeader } from "../../data/image/index.ts";
import { isSvg } from "../../data/image/svg/is-svg.ts";
import { DataError, UsageError } from "../../errors.ts";
import { openRegular } from "../../files/regular-file.ts";
import type { Picture } from "../../inference/picture-batches.ts";
import type { OptionValues } from "../command.ts";
import { parseSource } from "./source-argument.ts";
import { maxPixelsOf, maxPixelsOption } from "./max-pixels.ts";
import { svgOf, svgOption } from "./svg-option.ts";

/** What may be said about pictures that are operands. */
export const operandOptions = { ...maxPixelsOption, ...svgOption } as const;

export interface PictureOperands {
  /** In the order of the operands; each time from the start. */
  stream(): AsyncGenerator<Picture>;
  /** How they are to be read, as the library takes it. */
  reading: ReturnType<typeof maxPixelsOf> & ReturnType<typeof svgOf>;
  /** The name of a picture that the stream has given: its file, or shard and key. */
  name(index: number): string;
}

/**
 * throws  UsageError for an operand that is neither a picture nor a source; DataError for a source
 *         that cannot be opened
 */
export async function pictureOperands(
  operands: readonly string[],
  options: OptionValues<typeof operandOptions> = {},
): Promise<PictureOperands> {
  const drawings = options.svg === undefined ? {} : { svg: options.svg };
  const opened = await Promise.all(operands.map((operand) => open(operand, drawings)));
  let names: string[] = [];
  return {
    async *stream() {
      names = [];
      for (const each of opened) {
        for await (const { name, picture } of picturesOf(each)) {
          names.push(name);
          yield picture;
        }
      }
    },
    reading: { ...maxPixelsOf(options), ...svgOf(options) },
    name: (index) => names[index] as string,
  };
}

/**
 * The first pictures of an operand, `most` of them.
 *
 * throws  as `pictureOperands`; DataError where there is none
 */
export async function takePictures(operand: string, most: number): Promise<Picture[]> {
  const operands = await pictureOperands([operand]);
  const taken: Picture[] = [];
  for await (const picture of operands.stream()) {
    taken.push(picture);
    if (taken.length === most) break;
  }
  if (taken.length > 0) return taken;
  throw new DataError(`Expected pictures in ${operand} but found none; choose another folder`, {
    source: operand,
  });
}

async function open(
  operand: string,
  drawings: OptionValues<typeof svgOption>,
): Promise<string | Source> {
  const exists = statSync(operand, { throwIfNoEntry: false });
  if (exists?.isFile() && looksLikePicture(operand)) return operand;
  const address = exists ? undefined : noPath(operand);
  if (address !== undefined) {
    throw new UsageError(`Expected the path of a picture but received ${address}.`);
  }
  if (exists?.isDirectory() || !isImageExtension(splitEnding(operand)[1])) {
    return openSource(parseSource(operand, drawings));
  }
  if (exists) return operand;
  throw new UsageError(`Expected a picture at ${operand} but found no such file; check the path.`);
}

async function* picturesOf(
  opened: string | Source,
): AsyncGenerator<{ name: string; picture: Picture }> {
  if (typeof opened === "string") {
    yield { name: opened, picture: opened };
  } else if (opened.listed) {
    // Files of their own are left to the decoder, which reads them on its threads.
    for (const part of opened.parts) {
      for await (const { ref, problem } of part.read()) {
        if (problem !== undefined) yield refused(problem);
        else yield { name: ref.image.file, picture: ref.image.file };
      }
    }
  } else {
    for await (const sample of readSamples(opened)) {
      if ("problem" in sample) yield refused(sample.problem);
      else yield { name: `${sample.ref.file}: ${sample.ref.key}`, picture: sample.image };
    }
  }
}

/** An empty picture is refused under this name. */
function refused({ file, key, reason }: Problem): { name: string; picture: Picture } {
  const name = `${key === undefined ? file : `${file}: ${key}`} (${reason})`;
  return { name, picture: new Uint8Array(0) };
}

/** By its ending, or by its first bytes where the ending says nothing. */
function looksLikePicture(file: string): boolean {
  if (isImageExtension(splitEnding(file)[1])) return true;
  const descriptor = openRegular(file);
  try {
    const first = new Uint8Array(64 << 10);
    const count = readSync(descriptor, first, 0, first.length, 0);
    const bytes = first.subarray(0, count);
    return "format" in readImageHeader(bytes) || isSvg(bytes);
  } finally {
    closeSync(descriptor);
  }
}

/** The error of a picture that the decoder refused. */
export function unreadablePicture(picture: string, problem: string): DataError {
  return new DataError(
    `Expected a picture that can be read for ${picture} but received a bad one: ${problem}; ` +
      "repair it, or use --on-error skip",
    { source: picture },
  );
}
