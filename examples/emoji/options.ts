/** What can be chosen about the emoji dataset. */

/** One sample as a shard writer takes it. */
export interface ShardSample {
  key: string;
  /** Encoded file. */
  image: Uint8Array;
  extension: "png";
  captions: string[];
  label?: string;
  meta?: Record<string, unknown>;
}

/** limn's `writeShards`: writes samples in order into numbered tar files, and returns their paths. */
export type WriteShards = (options: {
  samples: Iterable<ShardSample>;
  directory: string;
  samplesPerShard: number;
}) => Promise<{ shards: string[] }>;

export interface EmojiDatasetOptions {
  /** Folder that holds `node_modules` with the emoji packages. */
  packages: string;
  /** Where the shards go. */
  directory: string;
  writeShards: WriteShards;
  seed?: number;
  /** emojibase's language codes, English first. */
  languages?: readonly string[];
  /** Side of the packed pictures, pixels. */
  imageSize?: number;
  unseenShare?: number;
  validationShare?: number;
  keywordsPerCaption?: number;
  /** Copies of the four English captions beside one caption per other language. */
  englishWeight?: number;
  samplesPerShard?: number;
  /** Told what happens, with a share in [0, 1]; the library never prints. */
  onProgress?: (message: string, share: number) => void;
}

export type ResolvedOptions = Required<
  Omit<EmojiDatasetOptions, "packages" | "directory" | "writeShards" | "onProgress">
>;

export const defaultOptions: ResolvedOptions = {
  seed: 0,
  languages: ["en", "de", "fr", "es", "ja", "zh"],
  imageSize: 64,
  unseenShare: 0.1,
  validationShare: 0.05,
  keywordsPerCaption: 4,
  englishWeight: 4,
  samplesPerShard: 1000,
};

/** Fills in the defaults. throws Error naming an unknown option and the known ones */
export function resolveOptions(given: Partial<ResolvedOptions>): ResolvedOptions {
  for (const key of Object.keys(given)) {
    if (key in defaultOptions) continue;
    const known = Object.keys(defaultOptions).join(", ");
    throw new Error(
      `Expected an option of the emoji dataset but received ${key}; known: ${known}.`,
    );
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaultOptions, ...(Object.fromEntries(set) as Partial<ResolvedOptions>) };
}
