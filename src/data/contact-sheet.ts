/** Contact sheets: many images of a source at a glance, with their captions. */
import sharp from "sharp";
import { createRandom } from "../arrays/random.ts";
import { DataError, didYouMean } from "../errors.ts";
import { readingReason } from "../files/regular-file.ts";
import { pixelBound } from "./image/decode/decode.ts";
import { decodeImage, MAX_PIXELS } from "./image/index.ts";
import { escapeHtml } from "../files/escape-html.ts";
import { openSource } from "./sources/open-source.ts";
import { readSamples } from "./sources/read-sample.ts";
import type { SourceSpec } from "./sources/source-spec.ts";

export interface ContactSheetOptions {
  source: SourceSpec;
  /** `html` is one file with the pictures inside. */
  format: "png" | "jpg" | "html";
  /** Images shown, by default 48. */
  count?: number;
  /** Take the first ones, or (default) any, chosen by this seed from the first `among`. */
  choose?: "first" | { seed: number };
  /** Samples looked at for choosing; 5,000 by default. */
  among?: number;
  /** Images in a row, by default 8. */
  columns?: number;
  /** Pixels of an image's square, by default 160. */
  side?: number;
  /** A picture of more pixels is not shown but named as bad. By default 178,956,970. */
  maxPixels?: number;
}

/** What every sheet says of itself, near the beginning of its file. */
export const sheetMark = "limn contact sheet";

interface Tile {
  key: string;
  captions: string[];
  /** PNG, at most `side` x `side`. */
  picture: Buffer | undefined;
  reason: string | undefined;
}

const KEYS: (keyof ContactSheetOptions)[] = [
  "source",
  "format",
  "count",
  "choose",
  "among",
  "columns",
  "side",
  "maxPixels",
];

/**
 * A contact sheet as the bytes of a PNG, JPEG or HTML file. Bad samples appear with their reason.
 *
 * throws   DataError if the source cannot be opened or is empty; TypeError for an unknown option,
 *          RangeError for `maxPixels` that is no positive integer
 */
export async function contactSheet(options: ContactSheetOptions): Promise<Buffer> {
  for (const key of Object.keys(options)) {
    if (!(KEYS as string[]).includes(key)) {
      throw new TypeError(`Unknown contact sheet option ${key}.${didYouMean(key, KEYS)}`);
    }
  }
  const { side = 160, columns = 8, format } = options;
  const tiles = await collectTiles(options, side);
  if (format === "html") return Buffer.from(htmlSheet(tiles, side), "utf8");
  return imageSheet(tiles, { side, columns: Math.min(columns, tiles.length), format });
}

async function collectTiles(options: ContactSheetOptions, side: number): Promise<Tile[]> {
  const { count = 48, choose = { seed: 0 } } = options;
  const maxPixels = pixelBound(options.maxPixels, MAX_PIXELS);
  const among = choose === "first" ? count : Math.max(count, options.among ?? 5000);
  const source = await openSource(options.source);
  const random = choose === "first" ? undefined : createRandom([choose.seed, "contact-sheet"]);
  // Reservoir sampling: each of the samples looked at has the same chance; memory for `count`.
  const chosen: { order: number; tile: () => Promise<Tile> }[] = [];
  let seen = 0;
  for await (const sample of readSamples(source)) {
    if (seen === among) break;
    const place = seen < count ? seen : random!.integer(seen + 1);
    if (place < count)
      chosen[place] = { order: seen, tile: () => makeTile(sample, side, maxPixels) };
    seen += 1;
  }
  if (seen === 0) {
    throw new DataError(
      `Expected at least one sample for ${source.name} but received none; check the source`,
      { source: source.name },
    );
  }
  chosen.sort((a, b) => a.order - b.order);
  const tiles: Tile[] = [];
  for (const { tile } of chosen) tiles.push(await tile());
  return tiles;
}

type Sample = ReturnType<typeof readSamples> extends AsyncGenerator<infer S> ? S : never;

async function makeTile(sample: Sample, side: number, maxPixels: number): Promise<Tile> {
  if ("problem" in sample) {
    const { key = sample.problem.file, reason } = sample.problem;
    return { key, captions: [], picture: undefined, reason };
  }
  const { ref, image, text } = sample;
  try {
    const picture = await pictureTile(image, side, maxPixels);
    return { key: ref.key, captions: text.captions, picture, reason: undefined };
  } catch (error) {
    const reason = readingReason(error).split("\n")[0];
    return { key: ref.key, captions: text.captions, picture: undefined, reason };
  }
}

/** A picture as a PNG of at most `side` x `side`. Throws if it has more pixels or cannot be decoded. */
export async function pictureTile(
  image: Uint8Array,
  side: number,
  maxPixels: number,
): Promise<Buffer> {
  const { data, width, height } = await decodeImage(image, { maxPixels });
  // What was decoded is bounded by `maxPixels`.
  const raw = { width, height, channels: 3 } as const;
  return sharp(data, { raw, limitInputPixels: false })
    .resize({ width: side, height: side, fit: "inside" })
    .png()
    .toBuffer();
}

const TEXT_LINES = 3;
const LINE_HEIGHT = 14;

async function imageSheet(
  tiles: Tile[],
  { side, columns, format }: { side: number; columns: number; format: "png" | "jpg" },
): Promise<Buffer> {
  const gap = 8;
  const [tileWidth, tileHeight] = [side + gap, side + TEXT_LINES * LINE_HEIGHT + 2 * gap];
  const rows = Math.ceil(tiles.length / columns);
  const layers = tiles.flatMap((tile, i) => {
    const left = gap + (i % columns) * tileWidth;
    const top = gap + Math.floor(i / columns) * tileHeight;
    const text = { input: Buffer.from(textSvg(tile, side)), left, top: top + side + 2 };
    return tile.picture === undefined ? [text] : [{ input: tile.picture, left, top }, text];
  });
  const sheet = sharp({
    create: {
      width: gap + columns * tileWidth,
      height: gap + rows * tileHeight,
      channels: 3,
      background: "#ffffff",
    },
  })
    .composite(layers)
    .withExif({ IFD0: { Software: sheetMark } });
  return format === "jpg" ? sheet.jpeg({ quality: 90 }).toBuffer() : sheet.png().toBuffer();
}

/** The caption, broken into a few short lines. */
function textSvg({ captions, reason }: Tile, side: number): string {
  const text = reason === undefined ? captions.join(" | ") || "(no caption)" : `bad: ${reason}`;
  const lines = breakLines(text, Math.max(4, Math.floor(side / 6.2)), TEXT_LINES);
  const spans = lines.map(
    (line, i) => `<text x="0" y="${11 + i * LINE_HEIGHT}">${escapeHtml(line)}</text>`,
  );
  const color = reason === undefined ? "#222222" : "#b00020";
  const height = TEXT_LINES * LINE_HEIGHT + 2;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${height}" ` +
    `font-family="sans-serif" font-size="11" fill="${color}">${spans.join("")}</svg>`
  );
}

function breakLines(text: string, width: number, most: number): string[] {
  const lines: string[] = [];
  let rest = Array.from(text.replace(/\s+/g, " ").trim());
  while (rest.length > 0 && lines.length < most) {
    const space = rest.slice(0, width + 1).lastIndexOf(" ");
    const end = rest.length <= width ? rest.length : space > 0 ? space : width;
    const last = lines.length === most - 1 && end < rest.length;
    lines.push(last ? `${rest.slice(0, width - 1).join("")}…` : rest.slice(0, end).join(""));
    rest = rest.slice(rest[end] === " " ? end + 1 : end);
  }
  return lines;
}

function htmlSheet(tiles: Tile[], side: number): string {
  const figures = tiles.map(({ key, captions, picture, reason }) => {
    const image =
      picture === undefined
        ? `<p class="bad">${escapeHtml(reason ?? "")}</p>`
        : `<img alt="" src="data:image/png;base64,${picture.toString("base64")}">`;
    const list = captions.map((caption) => `<li>${escapeHtml(caption)}</li>`).join("");
    return `<figure>${image}<figcaption><code>${escapeHtml(key)}</code><ul>${list}</ul></figcaption></figure>`;
  });
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="generator" content="${sheetMark}"><title>Contact sheet</title><style>
body { font: 13px/1.35 system-ui, sans-serif; margin: 1rem; color: #222; background: #fff; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(${side}px, 1fr)); gap: 1rem; }
figure { margin: 0; overflow-wrap: anywhere; } img { max-width: 100%; display: block; }
code { color: #666; font-size: 11px; } ul { margin: 0; padding-left: 1.1em; } .bad { color: #b00020; }
</style></head><body><main>
${figures.join("\n")}
</main></body></html>
`;
}
