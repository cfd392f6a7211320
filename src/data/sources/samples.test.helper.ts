/** Small sources for tests: files in a folder of their own, tars, and what is read of them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { openSource } from "./open-source.ts";
import { readSamples } from "./read-sample.ts";
import type { SourceSpec } from "./source-spec.ts";
import { tarEnd, tarEntry } from "./tar-format.ts";

export interface Workspace {
  top: string;
  /** Writes a file, with its folders, and gives its path. */
  write: (name: string, contents?: string | Uint8Array) => string;
}

/** A folder that is gone after the tests of the file. */
export function workspace(name: string): Workspace {
  const top = mkdtempSync(join(tmpdir(), `limn-${name}-`));
  after(() => rmSync(top, { recursive: true }));
  return {
    top,
    write: (file, contents = "x") => {
      const path = join(top, file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, contents);
      return path;
    },
  };
}

/** `key: caption | caption (label)` or `key!reason` of every sample. */
export async function linesOf(spec: SourceSpec): Promise<string[]> {
  const lines: string[] = [];
  for await (const sample of readSamples(await openSource(spec))) {
    if ("problem" in sample) lines.push(`${sample.problem.key ?? ""}!${sample.problem.reason}`);
    else {
      const { captions, label } = sample.text;
      const tail = label === undefined ? "" : ` (${label})`;
      lines.push(`${sample.ref.key}: ${captions.join(" | ")}${tail}`);
    }
  }
  return lines;
}

export function tarOf(files: Readonly<Record<string, string | Uint8Array>>): Buffer {
  const entries = Object.entries(files).map(([name, contents]) =>
    tarEntry(name, typeof contents === "string" ? Buffer.from(contents) : contents),
  );
  return Buffer.concat([...entries, tarEnd()]);
}

/** A header as old programs write it: any bytes for a name, any type, nothing behind it. */
export function rawHeader(
  name: string | Uint8Array,
  { type = "0", size = 0, link = "" }: { type?: string; size?: number; link?: string } = {},
): Buffer {
  const block = Buffer.alloc(512);
  Buffer.from(name as string).copy(block);
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  block.write("        ", 148, "latin1");
  block.write(type, 156, "latin1");
  block.write(link, 157, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** Contents with what fills their last block. */
export function blocksOf(contents: string | Uint8Array): Buffer {
  const bytes = Buffer.from(contents as string);
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}
