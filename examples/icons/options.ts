/** What can be chosen about the icons. */

export interface IconOptions {
  /** Decides which concepts are never seen, and the order of the samples. */
  seed: number;
  /** Side of the pictures, pixels; a multiple of 32, at which near-duplicates are compared. */
  imageSize: number;
  /** A concept is trained on when so many training authors have drawn it. */
  trainAuthors: number;
  /** A concept is asked for when so many training authors have drawn it. */
  testAuthors: number;
  /** Share of the concepts that could be asked for which is kept out of training. */
  unseenShare: number;
  vocabSize: number;
  contextLength: number;
  samplesPerShard: number;
}

export const defaultOptions: IconOptions = {
  seed: 0,
  imageSize: 64,
  trainAuthors: 4,
  testAuthors: 5,
  unseenShare: 0.1,
  vocabSize: 2000,
  contextLength: 16,
  samplesPerShard: 2000,
};

/** For all of iconify's sets: smaller pictures of everything, shared by authors or not. */
export const largeOptions: IconOptions = {
  ...defaultOptions,
  imageSize: 32,
  trainAuthors: 1,
  vocabSize: 4000,
  samplesPerShard: 5000,
};

type Rule = [wanted: string, isGood: (value: number) => boolean];

const anyCount: Rule = ["a whole number", (value) => Number.isInteger(value) && value >= 0];

const rules: Partial<Record<keyof IconOptions, Rule>> = {
  unseenShare: ["a share in [0, 1)", (value) => value >= 0 && value < 1],
  imageSize: ["a multiple of 32", (value) => value > 0 && value % 32 === 0],
};

/** Fills in the defaults. throws  Error naming an unknown option and the known ones, or a bad value */
export function resolveOptions(given: Partial<IconOptions>): IconOptions {
  for (const [key, value] of Object.entries(given)) {
    if (!(key in defaultOptions)) {
      const known = Object.keys(defaultOptions).join(", ");
      throw new Error(`Expected an option of the icons but received ${key}; known: ${known}`);
    }
    const [wanted, isGood] = rules[key as keyof IconOptions] ?? anyCount;
    if (!isGood(value)) {
      throw new RangeError(
        `Expected ${wanted} for ${key} but received ${value}; ` +
          `the default is ${defaultOptions[key as keyof IconOptions]}`,
      );
    }
  }
  return { ...defaultOptions, ...given };
}
