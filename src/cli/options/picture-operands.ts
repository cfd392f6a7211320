/** Pictures as operands: files, folders, and the sources that other commands take. */
import { statSync } from "node:fs";

import { readSamples } from "../../data/sources/read-sample.ts";
import { openSource } from "../../data/sources/open-source.ts";
import { IMAGE_EXTENSIONS, type Source } from "../../data/sources/source.ts";
import { DataError, UsageError } from "../../errors.ts";
import type { Picture } from "../../inference/picture-batches.ts";
import { parseSource } from "./source-argument.ts";

export interface PictureOperands {
  /** In the order of the operands; each time from the start. */
  stream(): AsyncGenerator<Picture>;
  /** The name of a picture that the stream has given: its file, or shard and key. */
  name(index: number): string;
}

/**
 * throws  UsageError for an operand that is neither a picture nor a source; DataError for a source
 *         that cannot be opened
 */
export async function pictureOperands(operands: readonly string[]): Promise<PictureOperands> {
  const opened = await Promise.all(operands.map(open));
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
    name: (index) => names[index] as string,
  };
}

async function open(operand: string): Promise<string | Source> {
  if (!isPictureFile(operand)) return openSource(parseSource(operand, {}));
  if (statSync(operand, { throwIfNoEntry: false })) return operand;
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
        const file = ref?.image.file ?? problem?.key ?? problem?.file ?? "";
        yield { name: file, picture: file };
      }
    }
  } else {
    for await (const sample of readSamples(opened)) {
      if ("problem" in sample) {
        const { file, key, reason } = sample.problem;
        // An empty picture is refused under this name.
        const name = `${key === undefined ? file : `${file}: ${key}`} (${reason})`;
        yield { name, picture: new Uint8Array(0) };
      } else {
        yield { name: `${sample.ref.file}: ${sample.ref.key}`, picture: sample.image };
      }
    }
  }
}

function isPictureFile(operand: string): boolean {
  const ending = operand.slice(operand.lastIndexOf(".") + 1).toLowerCase();
  return IMAGE_EXTENSIONS.includes(ending);
}

/** The error of a picture that the decoder refused. */
export function unreadablePicture(picture: string, problem: string): DataError {
  return new DataError(
    `Expected a picture that can be read for ${picture} but received a bad one: ${problem}; ` +
      "repair it, or use --on-error skip",
    { source: picture },
  );
}
