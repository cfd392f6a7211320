/** Renders every emoji in every style, and finds those whose pictures cannot be told apart. */
import { renderPicture, type Picture } from "./pictures.ts";
import { pictureLocator, styles, type Emoji, type Style } from "./sources.ts";
import { groupBy } from "./split.ts";

/** Pictures by style and hexcode. */
export type Pictures = Record<Style, Map<string, Picture>>;

/** Pictures in work at a time: enough to keep the decoder's threads busy. */
const concurrency = 8;

/** Share of the frame that artwork fills, and the greatest enlargement; see pictures.ts. */
const frame = { fill: 0.94, zoom: 1.35 };

/** Renders all, calling `onShare` with the share done, in [0, 1]. */
export async function renderAll(
  packages: string,
  emoji: readonly Emoji[],
  imageSize: number,
  onShare: (share: number) => void,
): Promise<Pictures> {
  const locate = pictureLocator(packages);
  const pictures: Pictures = {
    google: new Map(),
    twitter: new Map(),
    openmoji: new Map(),
    openmojiLines: new Map(),
  };
  const work = emoji.flatMap(({ hexcode }) => styles.map((style) => ({ hexcode, style })));
  let next = 0;
  const runOne = async (): Promise<void> => {
    for (let job = work[next++]; job !== undefined; job = work[next++]) {
      const file = locate(job.hexcode, job.style);
      if (file === undefined) continue;
      pictures[job.style].set(job.hexcode, await renderPicture(file, { ...frame, imageSize }));
      if (next % 200 === 0) onShare(Math.min(1, next / work.length));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, runOne));
  return pictures;
}

export interface IdenticalPictures {
  /** Emoji whose colour picture equals, for some vendor, that of an emoji with a shorter label. */
  dropped: Set<string>;
  /** Emoji whose line drawing equals another's: without colour nobody can tell them apart. */
  lines: Set<string>;
}

/**
 * Two names for one picture cannot both be right, so one emoji is kept: the one with the shorter
 * label ("flag: Norway" rather than "flag: Svalbard & Jan Mayen").
 */
export function identicalPictures(
  emoji: readonly Pick<Emoji, "hexcode" | "label">[],
  pictures: Readonly<Record<Style, ReadonlyMap<string, Pick<Picture, "pixelHash">>>>,
): IdenticalPictures {
  const dropped = new Set<string>();
  const same = (style: Style, among: readonly Pick<Emoji, "hexcode" | "label">[]) =>
    [
      ...groupBy(
        among,
        (one) => pictures[style].get(one.hexcode)?.pixelHash ?? one.hexcode,
      ).values(),
    ].filter((group) => group.length > 1);
  for (const style of ["google", "twitter", "openmoji"] as const) {
    for (const group of same(style, emoji)) {
      const byLength = [...group].sort((a, b) => a.label.length - b.label.length);
      for (const { hexcode } of byLength.slice(1)) dropped.add(hexcode);
    }
  }
  const kept = emoji.filter((one) => !dropped.has(one.hexcode));
  const lines = same("openmojiLines", kept).flatMap((group) => group.map((one) => one.hexcode));
  return { dropped, lines: new Set(lines) };
}
