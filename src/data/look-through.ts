/** Looks through a source before it is used: that it can be opened, and that its samples are usable. */
import { DataError, sampleIn } from "../errors.ts";
import { readingReason } from "../files/regular-file.ts";
import { readImageHeader } from "./image/index.ts";
import { withDrawings } from "./image/svg/allowed-svg.ts";
import { openSource } from "./sources/open-source.ts";
import { PieceReader, readImage, readTexts, type ReadText } from "./sources/read-sample.ts";
import type { SourceSpec } from "./sources/source-spec.ts";
import type { Problem, SampleRef, Source } from "./sources/source.ts";

/** What is known of a sample without its pixels. */
export interface SampleOutline {
  key: string;
  label: string | undefined;
  meta: Record<string, unknown> | undefined;
}

interface LookOptions {
  /** Whether a sample without a caption is a bad one. */
  captions: boolean;
  /** Said of a sample that has a label, and no caption where there must be one. */
  onlyLabel?: string;
  /** Whether a sample without a picture is a bad one. Default true. */
  pictures?: boolean;
  /** Whether a bad sample is an error, or passed over as long as there is a good one. */
  onError: "skip" | "fail";
  /** Takes each good sample; false ends the look. */
  each?: (sample: SampleOutline) => boolean | void;
}

/**
 * Samples that are looked at, and of a source whose pictures cannot be passed over, such as a shard that is
 * packed: so much takes seconds.
 */
const MOST = { plain: 200_000, packed: 10_000 };
/** Problems that a message names. */
const MOST_NAMED = 3;

/**
 * Reads captions, labels and records in stored order. Of pictures it looks at the first one's header, and whether
 * those are there that are files of their own. Nothing is decoded.
 *
 * returns  whether all samples were looked at: neither too many, nor ended by `each`
 * throws   DataError for a source that cannot be opened, for a bad sample (`fail`), and where none is good;
 *          what `each` throws
 */
export async function lookThrough(
  spec: SourceSpec,
  { captions, onlyLabel = "", pictures = true, onError, each = () => true }: LookOptions,
): Promise<boolean> {
  const source = await openSource(spec, { records: true });
  const isPacked = source.parts.some(({ compressed }) => compressed);
  const most = isPacked ? MOST.packed : MOST.plain;
  /** The first of each reason. */
  const problems = new Map<string, Problem>();
  let [seen, good] = [0, 0];
  for await (const read of readTexts(source, { pictures })) {
    if (seen++ >= most) return false;
    const first = pictures && good === 0 ? source : undefined;
    const problem = await problemOf(read, { captions, onlyLabel, first });
    if (problem !== undefined) {
      if (onError === "fail") throw badSample(problem);
      if (!problems.has(problem.reason)) problems.set(problem.reason, problem);
      continue;
    }
    if ("problem" in read) continue;
    good++;
    const { ref, text } = read;
    if (each({ key: ref.key, label: text.label, meta: text.meta }) === false) return false;
  }
  if (good === 0) throw nothingGood(source.name, seen, [...problems.values()]);
  return true;
}

interface Wanted {
  captions: boolean;
  onlyLabel: string;
  /** The source, where the sample's picture is looked at. */
  first: Source | undefined;
}

async function problemOf(
  read: ReadText,
  { captions, onlyLabel, first }: Wanted,
): Promise<Problem | undefined> {
  if ("problem" in read) return read.problem;
  const { ref, text } = read;
  const silent = captions && text.captions.length === 0;
  const noCaption = `it has no caption${text.label === undefined ? "" : onlyLabel}`;
  const reason = silent ? noCaption : first && (await pictureProblem(ref, first));
  return reason === undefined ? undefined : { file: ref.file, key: ref.key, reason };
}

async function pictureProblem(ref: SampleRef, { svg }: Source): Promise<string | undefined> {
  const reader = new PieceReader();
  try {
    const at = { source: ref.file, key: ref.key };
    const header = readImageHeader(await withDrawings(readImage(reader, ref), { svg, at }));
    return "problem" in header ? header.detail : undefined;
  } catch (error) {
    return readingReason(error);
  } finally {
    reader.close();
  }
}

function badSample(problem: Problem): DataError {
  const { file, key, reason } = problem;
  return new DataError(
    `Expected a usable sample for ${sampleIn(file, key)} but received a bad one: ${reason}; repair or remove it`,
    key === undefined ? { source: file } : { source: file, key },
  );
}

function nothingGood(name: string, bad: number, problems: readonly Problem[]): DataError {
  const named = problems
    .slice(0, MOST_NAMED)
    .map(({ file, key, reason }) => `${sampleIn(file, key)}: ${reason}`);
  const received = bad === 0 ? "none" : `only bad ones (${bad}), such as ${named.join("; ")}`;
  return new DataError(
    `Expected at least one usable sample for ${name} but received ${received}; check the source`,
    { source: name },
  );
}
