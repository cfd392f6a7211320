/** A page that shows pairs of near-duplicates side by side, the least certain ones first. */
import { counted } from "../../errors.ts";
import { escapeHtml } from "../../files/escape-html.ts";
import { pictureTile } from "../contact-sheet.ts";
import { MAX_PIXELS } from "../image/index.ts";
import { withDrawings } from "../image/svg/allowed-svg.ts";
import { PieceReader, readImage } from "../sources/read-sample.ts";
import type { SourceSpec } from "../sources/source-spec.ts";
import type { DuplicatePair, DuplicateReport } from "./find-duplicates.ts";
import { forEachNamed } from "./named-samples.ts";

export interface DuplicateSheetOptions {
  report: DuplicateReport;
  /** The sources that the report is about, as they were given to `findDuplicates`. */
  source: SourceSpec;
  against?: readonly SourceSpec[];
  /** Pairs shown, by default 100. */
  count?: number;
  /** Pixels of a picture's square, by default 128. */
  side?: number;
  /** As it was given to `findDuplicates`. */
  maxPixels?: number;
}

/**
 * One HTML file with the pictures inside: the pairs that were nearest to not being found, so that
 * thresholds can be judged, and the numbers of the report.
 *
 * throws   DataError if a source cannot be opened any more
 */
export async function duplicateSheet(options: DuplicateSheetOptions): Promise<Buffer> {
  const { report, source, against = [], count = 100, side = 128 } = options;
  const look = { side, maxPixels: options.maxPixels ?? MAX_PIXELS };
  const pairs = report.pairs.toSorted(byDoubt(report.thresholds)).slice(0, count);
  const wanted = [source, ...against].map(() => new Set<string>());
  for (const pair of pairs) {
    wanted[0]!.add(pair.first);
    wanted[pair.against === undefined ? 0 : pair.against + 1]!.add(pair.second);
  }
  const tiles: Map<string, string>[] = [];
  for (const [number, spec] of [source, ...against].entries()) {
    tiles.push(await readTiles(spec, wanted[number]!, look));
  }
  const figures = pairs.map((pair) => {
    const set = pair.against === undefined ? 0 : pair.against + 1;
    const pictures = [tiles[0]!.get(pair.first), tiles[set]!.get(pair.second)];
    return figure(pair, pictures as [string, string]);
  });
  return Buffer.from(page(summary(report), figures, side), "utf8");
}

/** Pairs that only the model told come behind those that the hash told. */
function byDoubt({
  distance,
}: {
  distance: number;
}): (a: DuplicatePair, b: DuplicatePair) => number {
  const doubt = (pair: DuplicatePair): number =>
    pair.distance <= distance ? 100 + pair.distance - pair.correlation : 1 - (pair.cosine ?? 0);
  return (a, b) => doubt(b) - doubt(a);
}

async function readTiles(
  spec: SourceSpec,
  wanted: ReadonlySet<string>,
  look: { side: number; maxPixels: number },
): Promise<Map<string, string>> {
  const tiles = new Map<string, string>();
  const reader = new PieceReader();
  try {
    await forEachNamed(spec, wanted, async (id, ref) => {
      tiles.set(id, await tileOf(() => withDrawings(readImage(reader, ref), spec), look));
    });
  } finally {
    reader.close();
  }
  return tiles;
}

async function tileOf(
  read: () => Promise<Uint8Array>,
  { side, maxPixels }: { side: number; maxPixels: number },
): Promise<string> {
  try {
    const png = await pictureTile(await read(), side, maxPixels);
    return `<img alt="" src="data:image/png;base64,${png.toString("base64")}">`;
  } catch {
    // It was read a moment ago; a picture that only Pillow's rules decode has no tile.
    return "<p>(no preview)</p>";
  }
}

function figure(pair: DuplicatePair, [first, second]: [string, string]): string {
  const { distance, correlation, cosine, against } = pair;
  const measures = [counted(distance, "bit"), `colours ${correlation.toFixed(3)}`];
  if (cosine !== undefined) measures.push(`cosine ${cosine.toFixed(3)}`);
  const names = [pair.first, `${pair.second}${against === undefined ? "" : ` (set ${against})`}`];
  return (
    `<figure>${first ?? ""}${second ?? ""}<figcaption>${measures.join(", ")}<br>` +
    `<code>${names.map(escapeHtml).join("<br>")}</code></figcaption></figure>`
  );
}

function summary(report: DuplicateReport): string[] {
  const { pictures, againstPictures, groups, contaminated, exclude, pairs } = report;
  const lines = [
    `${counted(pictures, "picture")}, ${counted(pairs.length, "near pair")}`,
    `${counted(groups.length, "group")} within the set`,
    `${counted(exclude.length, "picture")} to leave out`,
  ];
  if (againstPictures.length === 0) return lines;
  return [...lines, `${contaminated.length} of them near a picture of an evaluation set`];
}

function page(lines: string[], figures: string[], side: number): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Near-duplicates</title><style>
body { font: 13px/1.35 system-ui, sans-serif; margin: 1rem; color: #222; background: #fff; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(${2 * side + 8}px, 1fr)); gap: 1rem; }
figure { margin: 0; overflow-wrap: anywhere; } img { width: ${side}px; height: ${side}px; object-fit: contain; }
img + img { margin-left: 4px; } code { color: #666; font-size: 11px; }
</style></head><body><h1>Near-duplicates</h1><p>${lines.join("; ")}. The ${figures.length} least certain pairs:</p><main>
${figures.join("\n")}
</main></body></html>
`;
}
