/** `limn data pack`: pack pairs into WebDataset shards. */
import { packDataset } from "../../data/pack.ts";
import type { PackOptions } from "../../data/pack.ts";
import { defineCommand, type Command } from "../command.ts";
import { maxPixelsOf, maxPixelsOption } from "../options/max-pixels.ts";
import { describePack } from "../print/inspection.ts";
import { noteColumns, parseSource, sourceOptions } from "../options/source-argument.ts";

const command: Command = defineCommand({
  name: "data pack",
  summary: "Packs pairs of images and captions into WebDataset shards.",
  usage: "<source> <folder>",
  options: {
    "samples-per-shard": { type: "integer", least: 1, value: "<n>", help: "default 1000" },
    prefix: { type: "string", value: "<name>", help: "shards are <name>-000000.tar" },
    resize: {
      type: "integer",
      least: 1,
      value: "<pixels>",
      help: "shrink the shorter side to this",
    },
    format: { type: "string", choices: ["jpg", "png", "webp"], help: "of shrunk images" },
    quality: {
      type: "integer",
      least: 1,
      most: 100,
      value: "<1-100>",
      help: "of shrunk JPEG and WebP; default 95",
    },
    "keep-uncaptioned": { type: "boolean", help: "keep images without a caption" },
    "on-error": { type: "string", choices: ["skip", "fail"], help: "default skip, and count" },
    ...maxPixelsOption,
    ...sourceOptions,
  },
  examples: [
    "limn data pack pairs.csv shards",
    "limn data pack photos shards --resize 256 --label-from-folder",
    "limn data pack 'raw/{000..031}.tar' shards --on-error fail --json",
  ],
  async run({ options, operands, print, note }) {
    const [from = "", directory = ""] = operands;
    const source = parseSource(from, options);
    noteColumns(source, note, { records: true });
    const pack: PackOptions = {
      source,
      directory,
      requireCaption: options["keep-uncaptioned"] !== true,
      ...(options["samples-per-shard"] && { samplesPerShard: options["samples-per-shard"] }),
      ...(options.prefix && { prefix: options.prefix }),
      ...(options.resize !== undefined && { resize: options.resize }),
      ...(options.format && { format: options.format }),
      ...(options.quality !== undefined && { quality: options.quality }),
      ...maxPixelsOf(options),
      ...(options["on-error"] && { onError: options["on-error"] }),
    };
    const result = await packDataset(pack);
    print(describePack(result, directory), result);
  },
});
export default command;
