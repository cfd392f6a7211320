/** The decode worker of `threadedDecoder`: a picture at a time into a cell of shared memory. */
import { workerData } from "node:worker_threads";
import { serveDecoding } from "./decoder-pool.ts";
import { cellBytes } from "./picture-cell.ts";
import { decodeInto, type PictureTask, type PictureWorkerData } from "./picture-decoder.ts";

const { transform, maxPixels, svg, cells } = workerData as PictureWorkerData;
const size = cellBytes(transform);

serveDecoding<PictureTask, string | undefined, undefined>(async () => ({
  ready: undefined,
  decode: ({ picture, index, cell }) =>
    decodeInto(picture, {
      index,
      transform,
      maxPixels,
      svg,
      out: new Uint8Array(cells, cell * size, size),
    }),
}));
