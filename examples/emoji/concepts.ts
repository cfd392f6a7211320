/**
 * Which emoji show the same thing? "man biking" and "woman biking", "tiger" and "tiger face", hearts of
 * all colours: holding one out while training on the other would test memory, not understanding.
 * Emoji are therefore split by concept. Pure functions of names and code points.
 */

/** What a concept is made of. */
export interface ConceptMember {
  hexcode: string;
  label: string;
  group: string;
}

const people = "man men woman women person people boy girl male female adult child mr mrs mx";
const views =
  "face facing left right up down upwards downwards rightwards leftwards upright oncoming";
const turns = "pointing pointed clockwise counterclockwise back backhand raised index";
const colours =
  "black white red orange yellow green blue purple brown grey gray pink light dark medium";
const sizes = "big small large medium-small medium-large heavy half quarter full";
const counts =
  "one two three four five six seven eight nine ten eleven twelve double first second third 1st 2nd " +
  "3rd last";
const fillers = "a an the of with and in on at to button sign symbol mark emoji";

/** Words that tell variants of one concept apart. */
const variantWords = new Set(
  [people, views, turns, colours, sizes, counts, fillers].join(" ").split(" "),
);

/** Words that mean one thing in the names of emoji. */
const synonyms: Record<string, string> = {
  princess: "prince",
  crown: "prince",
  santa: "claus",
  merman: "mermaid",
  merperson: "mermaid",
  older: "old",
  thirty: "o'clock",
  unlocked: "locked",
};

/** Variants of one drawing that no rule on words finds. */
const sameDrawing: readonly (readonly string[])[] = [
  ["snowman", "snowman without snow"],
  ["hourglass done", "hourglass not done"],
  ["locked", "locked with pen", "locked with key"],
  [
    "closed mailbox with raised flag",
    "closed mailbox with lowered flag",
    "open mailbox with raised flag",
    "open mailbox with lowered flag",
  ],
  ["bell", "bell with slash"],
  ["umbrella", "umbrella with rain drops"],
  ["camera", "camera with flash"],
  ["cityscape", "cityscape at dusk"],
  ["sunrise", "sunrise over mountains"],
  ["speaker low volume", "speaker medium volume", "speaker high volume", "muted speaker"],
];

const personCodes = new Set(["1F468", "1F469", "1F9D1"]);
const dropped = new Set(["FE0F", "200D", "2640", "2642", "27A1"]);

/**
 * The name without what tells its variants apart, as sorted words: "woman mountain biking" gives
 * "biking mountain". What follows a colon is a variant ("family: man, boy", "person: beard") except
 * in flags. A name of variant words alone gives "".
 */
export function nameKey(label: string, group: string): string {
  const name = group === "flags" ? label : (label.split(":")[0] ?? label);
  const words = name
    .toLowerCase()
    .replaceAll("’", "'")
    .split(/[^\p{L}\p{N}']+/u)
    .map((word) => word.replace(/'s$/, ""))
    .filter((word) => word !== "" && !variantWords.has(word))
    .map((word) => synonyms[word] ?? singular(word));
  return [...new Set(words)].sort().join(" ");
}

function singular(word: string): string {
  return /[^su]s$/.test(word) && word.length > 3 ? word.slice(0, -1) : word;
}

/** The code points without gender, direction and variation selectors; any person becomes one. */
export function codeKey(hexcode: string): string {
  return hexcode
    .split("-")
    .filter((code) => !dropped.has(code) && !(code >= "1F3FB" && code <= "1F3FF"))
    .map((code) => (personCodes.has(code) ? "person" : code))
    .join("-");
}

/**
 * Gives every emoji its concept: two emoji share one when their names or their code points agree
 * but for the variant. The concept is called after its first emoji's code points.
 */
export function conceptsOf(members: readonly ConceptMember[]): Map<string, string> {
  const parent = members.map((_, index) => index);
  const find = (index: number): number => {
    const up = parent[index] ?? index;
    return up === index ? index : find(up);
  };
  const firstWith = new Map<string, number>();
  members.forEach((member, index) => {
    for (const key of keysOf(member)) {
      const earlier = firstWith.get(key);
      if (earlier === undefined) {
        firstWith.set(key, index);
        continue;
      }
      const [a, b] = [find(earlier), find(index)];
      parent[Math.max(a, b)] = Math.min(a, b);
    }
  });
  return new Map(
    members.map((member, index) => [
      member.hexcode,
      members[find(index)]?.hexcode ?? member.hexcode,
    ]),
  );
}

function keysOf({ hexcode, label, group }: ConceptMember): string[] {
  const name = nameKey(label, group) || `only variants, ${group}`;
  const drawings = sameDrawing.filter((labels) => labels.includes(label)).map((one) => one[0]);
  return [`name ${name}`, `code ${codeKey(hexcode)}`, ...drawings.map((one) => `drawing ${one}`)];
}
