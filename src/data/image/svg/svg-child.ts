/** A process of its own that rasterises drawings, so that one that takes too long can be ended. */
import sharp from "sharp";
import type { DrawingReply, DrawingRequest } from "./rasterize-svg.ts";

sharp.cache(false);
sharp.concurrency(1);

process.on("message", ({ id, text, pixels }: DrawingRequest) => {
  const reply = (message: DrawingReply): void => void process.send?.(message);
  sharp(Buffer.from(text), { limitInputPixels: pixels })
    .flatten({ background: "#ffffff" })
    .removeAlpha()
    .toColourspace("srgb")
    .png({ compressionLevel: 1 })
    .toBuffer()
    .then(
      (png) => reply({ id, png: png.toString("base64") }),
      (error: unknown) =>
        reply({ id, reason: error instanceof Error ? error.message : String(error) }),
    );
});
process.on("disconnect", () => process.exit());
