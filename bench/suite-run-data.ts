/** A set in CLIP_benchmark's layout. */
import { renameSync, writeFileSync } from "node:fs";
import path from "node:path";

import { writeShards } from "../dist/src/data/write-shards.js";

const words =
  "apple bicycle bottle bridge camera candle chair clock dog door fish flower guitar horse house lamp mountain shoe train tree";

export async function writeBenchmarkSet(
  folder: string,
  samples: readonly { image: Uint8Array; label: number }[],
): Promise<void> {
  const split = path.join(folder, "test");
  const { shards } = await writeShards({
    samples: samples.map(({ image, label }, i) => ({
      ...{ key: `s${String(i).padStart(7, "0")}`, image, extension: "jpg" as const, captions: [] },
      classIndex: String(label),
    })),
    directory: split,
    samplesPerShard: 500,
  });
  for (const [i, shard] of shards.entries()) renameSync(shard, path.join(split, `${i}.tar`));
  writeFileSync(path.join(split, "nshards.txt"), `${shards.length}`);
  writeFileSync(path.join(folder, "classnames.txt"), `${words.split(" ").join("\n")}\n`);
}
