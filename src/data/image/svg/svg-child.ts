/** A process of its own that rasterises drawings, so that one that takes too long can be ended. */
import sharp from "sharp";
import type { DrawingReply, DrawingRequest } from "./rasterize-svg.ts";

sharp.cache(false);
sharp.concurrency(1);

process.on("message", ({ id, text, pixels }: DrawingRequest) => {
  const reply = (message: DrawingReply): void => void process.send?.(message);
  sharp(Buffer.from(text), { limitInputPixels: pixels })
    .flatten({ background: "#ffffff" })
    .toColourspace("srgb")
    .png({ compressionLevel: 1 })
    .toBuffer()
    .then(
      (png) => reply({ id, png }),
      (error: unknown) =>
        reply({ id, reason: error instanceof Error ? error.message : String(error) }),
    );
});
// A terminal's signals reach it too, and are for the process that uses it to answer.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
// At once, whatever is drawn.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
