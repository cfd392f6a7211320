/** What `limn embed` says when it ends. */
import type { EmbedResult } from "../../embed/embed-source.ts";

export function describeResult(result: EmbedResult): string {
  const { rows, dim, shards, folder, resumedFrom, skipped, complete, picturesPerSecond } = result;
  const rate = picturesPerSecond === 0 ? "" : `, ${picturesPerSecond.toPrecision(3)} pictures/s`;
  return [
    `${rows} embeddings of ${dim} numbers in ${shards} shards in ${folder}${rate}`,
    ...(resumedFrom > 0 ? [`${resumedFrom} of them were there already`] : []),
    ...(skipped > 0 ? [`${skipped} samples were left out`] : []),
    ...(complete ? [] : ["stopped; the same command goes on from here"]),
  ].join("\n");
}
