/**
 * Turns names and keywords into captions. A training picture carries several; the trainer draws one
 * of them at a time, so how often a language or a kind of caption stands in the list is its weight.
 */
import type { Categories, Emoji, Wording } from "./sources.ts";

/** Groups and subgroups whose message in emojibase says little outside its own table. */
const plainerWords: Record<string, string> = {
  "face-smiling": "smiling faces",
  "face-affection": "affectionate faces",
  "face-tongue": "faces with tongue",
  "face-hand": "faces with hands",
  "face-neutral-skeptical": "neutral and skeptical faces",
  "face-sleepy": "sleepy faces",
  "face-unwell": "unwell faces",
  "face-hat": "faces with hats",
  "face-glasses": "faces with glasses",
  "face-concerned": "concerned faces",
  "face-negative": "negative faces",
  "face-costume": "costumed faces and creatures",
  "hand-fingers-open": "open hands",
  "hand-fingers-partial": "hand signs",
  "hand-single-finger": "pointing fingers",
  "hand-fingers-closed": "closed hands",
  "hand-prop": "hands with things",
  "person-role": "people at work",
  "person-activity": "people doing things",
  "person-sport": "people doing sports",
  "person-resting": "people resting",
  "person-gesture": "people making gestures",
  "person-fantasy": "fantasy people",
  "animal-marine": "sea animals",
  "plant-other": "plants",
  "food-prepared": "cooked food",
  "food-asian": "asian food",
  "place-map": "globes and maps",
  "place-geographic": "landscapes",
  "place-other": "places",
  hotel: "hotel things",
  lock: "locks and keys",
  "av-symbol": "player buttons",
  alphanum: "letter buttons",
};

/** The words for a group or subgroup: "animals-nature" gives "animals and nature". */
export function categoryWords(key: string, messages: Record<string, string>): string {
  const words = plainerWords[key] ?? messages[key] ?? key.replaceAll("-", " ");
  return words.replaceAll(/\s*&\s*|\s+\/\s+/g, " and ");
}

/** Subgroup and group as captions say them: "mammals, animals and nature". */
export function categoryPhrase(subgroup: string, group: string, categories: Categories): string {
  const finely = categoryWords(subgroup, categories.subgroups);
  return `${finely}, ${categoryWords(group, categories.groups)}`;
}

/** Keywords that add to the name: none of them only repeats its words. */
export function addingKeywords({ name, keywords }: Wording): string[] {
  const said = name.toLowerCase();
  return keywords.filter((keyword) => !said.includes(keyword.toLowerCase()));
}

/** "fox: animal, nature", or the name alone where no keyword adds to it. */
export function nameWithKeywords(wording: Wording, chosen: readonly string[]): string {
  return chosen.length === 0 ? wording.name : `${wording.name}: ${chosen.join(", ")}`;
}

export interface CaptionOptions {
  /** emojibase's language codes; English first. */
  languages: readonly string[];
  /** Most keywords in one caption; a caption should fit the text tower's context. */
  keywordsPerCaption: number;
  /** Copies of the English captions beside one caption per other language. */
  englishWeight: number;
}

/** Captions by language, before weighting. */
export function captionsByLanguage(
  emoji: Emoji,
  categories: Categories,
  options: CaptionOptions,
): Record<string, string[]> {
  const captions: Record<string, string[]> = { en: englishCaptions(emoji, categories, options) };
  for (const language of options.languages) {
    const wording = emoji.wordings[language];
    if (language === "en" || wording === undefined) continue;
    const keywords = addingKeywords(wording).slice(0, options.keywordsPerCaption);
    captions[language] = [nameWithKeywords(wording, keywords)];
  }
  return captions;
}

/** All captions of a training picture, English `englishWeight` times. */
export function trainingCaptions(
  byLanguage: Record<string, string[]>,
  options: CaptionOptions,
): string[] {
  return Object.entries(byLanguage).flatMap(([language, captions]) =>
    language === "en"
      ? Array.from({ length: options.englishWeight }, () => captions).flat()
      : captions,
  );
}

/** The captions that retrieval is tested with: the name, and the name with its first keywords. */
export function testCaptions(emoji: Emoji, options: CaptionOptions): string[] {
  const wording = englishOf(emoji);
  const keywords = addingKeywords(wording).slice(0, options.keywordsPerCaption);
  return [...new Set([wording.name, nameWithKeywords(wording, keywords)])];
}

/**
 * English says the same in four ways, so that the text tower meets the bare name that zero-shot
 * classification asks with, keywords that unseen emoji share, and the words for categories.
 */
function englishCaptions(
  emoji: Emoji,
  categories: Categories,
  { keywordsPerCaption }: CaptionOptions,
): string[] {
  const wording = englishOf(emoji);
  const other = { ...wording, name: emoji.otherNames[0] ?? wording.name };
  const keywords = addingKeywords(wording);
  const later = addingKeywords(other).slice(keywordsPerCaption, 2 * keywordsPerCaption);
  return [
    wording.name,
    nameWithKeywords(wording, keywords.slice(0, keywordsPerCaption)),
    nameWithKeywords(other, later.length > 0 ? later : addingKeywords(other).slice(0, 2)),
    `${wording.name}, ${categoryPhrase(emoji.subgroup, emoji.group, categories)}`,
  ];
}

function englishOf(emoji: Emoji): Wording {
  return emoji.wordings["en"] ?? { name: emoji.label, keywords: [] };
}
