/** The samples behind the names of a report: found by reading their sources once more, without pictures. */
import { partNames } from "../loader/batch-builder.ts";
import { openSource } from "../sources/open-source.ts";
import { PieceReader, readText } from "../sources/read-sample.ts";
import type { SourceSpec } from "../sources/source-spec.ts";
import type { SampleRef, Source } from "../sources/source.ts";
import type { DuplicateReport } from "./find-duplicates.ts";

/** Where a picture of a report is, and what it is called. */
export interface NamedSample {
  /** Its name in the report, as `Batch.imageIds` has it. */
  id: string;
  /** The evaluation set, by its number in `against`, that it is in. */
  against?: number;
  /** The shard, or the picture's own file. */
  file: string;
  key: string;
  /** Its first caption, where it has one that can be read. */
  caption?: string;
}

/** Calls `visit` with the samples of a source that have one of these names (`Batch.imageIds`). */
export async function forEachNamed(
  spec: SourceSpec,
  wanted: ReadonlySet<string>,
  visit: (id: string, ref: SampleRef, source: Source) => void | Promise<void>,
): Promise<void> {
  if (wanted.size === 0) return;
  const source = await openSource(spec);
  const names = partNames(source);
  for (const [number, part] of source.parts.entries()) {
    let index = 0;
    for await (const { ref } of part.read()) {
      const id = `${names[number]}#${index++}`;
      if (ref !== undefined && wanted.has(id)) await visit(id, ref, source);
    }
  }
}

/** The samples that a report's pairs and groups name, in the order of their sources. */
export async function namedSamples(
  { pairs, groups }: Pick<DuplicateReport, "pairs" | "groups">,
  sources: readonly SourceSpec[],
): Promise<NamedSample[]> {
  const wanted = sources.map(() => new Set<string>());
  for (const { first, second, against = -1 } of pairs) {
    wanted[0]?.add(first);
    wanted[against + 1]?.add(second);
  }
  for (const { keep, drop } of groups) for (const id of [keep, ...drop]) wanted[0]?.add(id);
  const found: NamedSample[] = [];
  const reader = new PieceReader();
  try {
    for (const [number, spec] of sources.entries()) {
      const set = number === 0 ? {} : { against: number - 1 };
      await forEachNamed(spec, wanted[number] ?? new Set(), (id, ref, source) => {
        const caption = captionOf(reader, ref, source);
        const { file, key } = ref;
        found.push({ id, ...set, file, key, ...(caption !== undefined && { caption }) });
      });
    }
  } finally {
    reader.close();
  }
  return found;
}

function captionOf(reader: PieceReader, ref: SampleRef, source: Source): string | undefined {
  try {
    return readText(reader, ref, source.reading).captions[0];
  } catch {
    // A caption that cannot be read does not make its picture less of a duplicate.
    return undefined;
  }
}
