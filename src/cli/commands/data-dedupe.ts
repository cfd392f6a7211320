/** `limn data dedupe`: near-duplicates within a set and against evaluation sets. */
import { duplicateSheet } from "../../data/dedupe/duplicate-sheet.ts";
import { excludedBy, findDuplicates } from "../../data/dedupe/find-duplicates.ts";
import { writeDuplicates } from "../../data/dedupe/write-duplicates.ts";
import { checkPackTarget, packDataset } from "../../data/pack.ts";
import { counted, UsageError } from "../../errors.ts";
import { describePack } from "../print/inspection.ts";
import { defineCommand, type Command } from "../command.ts";
import { maxPixelsOf, maxPixelsOption } from "../options/max-pixels.ts";
import { loadPictureEmbedder } from "../options/picture-embedder.ts";
import { noteColumns, parseSource, sourceOptions } from "../options/source-argument.ts";

const command: Command = defineCommand({
  name: "data dedupe",
  summary:
    "Finds near-duplicates within a set and against evaluation sets: re-encoded, resized, slightly\n" +
    "cropped or brightened copies, and with a model whatever it embeds alike. Keeps the first.",
  usage: "<source>",
  options: {
    against: { type: "string", multiple: true, value: "<source>", help: "an evaluation set" },
    distance: { type: "integer", least: 0, most: 16, value: "<bits>", help: "of 64; default 10" },
    correlation: { type: "number", value: "<r>", help: "of colours, at least; default 0.9" },
    model: { type: "string", value: "<folder>", help: "compare embeddings of this model too" },
    cosine: { type: "number", value: "<c>", help: "of embeddings, at least; default 0.97" },
    device: { type: "string", value: "<name>", help: "of the model; default auto" },
    report: { type: "string", value: "<folder>", help: "write duplicates.json and .html here" },
    out: { type: "string", value: "<folder>", help: "write shards of what is left here" },
    ...maxPixelsOption,
    ...sourceOptions,
  },
  examples: [
    "limn data dedupe shards --report duplicates",
    "limn data dedupe train --against test.csv --against val.csv --out train-clean",
    "limn data dedupe pairs.csv --model runs/first/model --cosine 0.98 --json",
  ],
  async run({ options, operands, print, note }) {
    const { distance, correlation, cosine, model: folder, out, report: reports } = options;
    if (folder === undefined && (cosine !== undefined || options.device !== undefined)) {
      throw new UsageError("Expected --model <folder> with --cosine and --device.");
    }
    const source = parseSource(operands[0] ?? "", options);
    noteColumns(source, note, { records: options.out !== undefined });
    const drawings = options.svg === undefined ? {} : { svg: options.svg };
    const against = (options.against ?? []).map((text) => parseSource(text, drawings));
    // Before the work of hours.
    if (out !== undefined) await checkPackTarget({ source, directory: out });
    const embedder =
      folder === undefined
        ? undefined
        : await loadPictureEmbedder(folder, options.device ?? "auto");
    const bound = maxPixelsOf(options);
    const report = await findDuplicates({
      ...{ source, against, ...bound },
      ...(distance !== undefined && { distance }),
      ...(correlation !== undefined && { correlation }),
      ...(cosine !== undefined && { cosine }),
      ...(embedder && { embedder }),
    }).finally(() => embedder?.dispose());
    if (reports !== undefined) {
      const html = await duplicateSheet({ report, source, against, ...bound });
      note(`report: ${writeDuplicates(reports, report, html)}`);
    }
    if (out !== undefined) {
      const exclude = excludedBy(report);
      const pack = { source, directory: out, exclude, requireCaption: false, ...bound };
      const packed = await packDataset(pack);
      note(describePack(packed, out));
    }
    const { pictures, groups, contaminated, bad } = report;
    const lines = [
      `${counted(pictures, "picture")}, ${counted(groups.length, "group")} of near-duplicates`,
    ];
    if (against.length > 0) lines.push(`${contaminated.length} near a picture to evaluate on`);
    lines.push(`${report.exclude.length} to leave out`);
    if (bad > 0) lines.push(`${bad} could not be read`);
    if (report.advice !== undefined) note(report.advice);
    print(lines.join("\n"), report);
  },
});
export default command;
