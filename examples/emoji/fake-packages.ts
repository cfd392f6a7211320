/** Two emoji laid out as the real packages are, for tests that must not download anything. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import sharp from "sharp";

const emoji = [
  { hexcode: "1F98A", label: "fox", tags: ["animal"], emoji: "🦊", colour: "#e80" },
  { hexcode: "1F989", label: "owl", tags: ["bird"], emoji: "🦉", colour: "#840" },
];

/** Writes `root/node_modules` with the four packages. */
export async function makePackages(root: string): Promise<void> {
  const write = async (path: string, content: string | Buffer): Promise<void> => {
    const file = join(root, "node_modules", path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  };
  const json = (path: string, value: unknown): Promise<void> => write(path, JSON.stringify(value));
  const data = emoji.map((one, order) => ({ ...one, order, group: 3, subgroup: 34 }));
  for (const name of ["emojibase-data", "openmoji"]) {
    await json(`${name}/package.json`, { version: "1.0.0" });
  }
  for (const language of ["en", "de", "fr", "es", "ja", "zh"]) {
    await json(`emojibase-data/${language}/data.json`, data);
  }
  await json("emojibase-data/meta/groups.json", {
    groups: { 3: "animals-nature" },
    subgroups: { 34: "animal-mammal" },
  });
  await json("emojibase-data/meta/unicode-names.json", { "1F98A": "FOX FACE" });
  await json("emojibase-data/en/shortcodes/emojibase.json", { "1F98A": "fox", "1F989": "owl" });
  await json("emojibase-data/en/messages.json", { groups: [], subgroups: [] });
  for (const vendor of ["google", "twitter"]) {
    const name = `emoji-datasource-${vendor}`;
    await json(`${name}/package.json`, { version: "1.0.0" });
    await json(
      `${name}/emoji.json`,
      emoji.map(({ hexcode }) => ({
        unified: hexcode,
        non_qualified: null,
        image: `${hexcode}.png`,
        [`has_img_${vendor}`]: true,
      })),
    );
    for (const one of emoji)
      await write(`${name}/img/${vendor}/64/${one.hexcode}.png`, await png(one));
  }
  for (const one of emoji) {
    await write(`openmoji/color/svg/${one.hexcode}.svg`, svg(one, one.colour));
    await write(`openmoji/black/svg/${one.hexcode}.svg`, svg(one, "none"));
  }
}

function svg({ label }: { label: string }, fill: string): string {
  const r = label.length * 4 + label.charCodeAt(0) / 12;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72" width="72" height="72">` +
    `<circle cx="36" cy="30" r="${r}" fill="${fill}" stroke="#000"/></svg>`
  );
}

function png(one: { label: string; colour: string }): Promise<Buffer> {
  return sharp(Buffer.from(svg(one, one.colour)))
    .resize(64, 64)
    .png()
    .toBuffer();
}
