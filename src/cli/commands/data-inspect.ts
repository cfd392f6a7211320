/** `limn data inspect`: counts, sizes, bad samples and a contact sheet of a source. */
import { contactSheet } from "../../data/contact-sheet.ts";
import { inspectSource } from "../../data/inspect.ts";
import { checkSheetTarget, writeSheet } from "../../data/sheet-file.ts";
import { loadTokenizer } from "../../text/index.ts";
import { UsageError } from "../../errors.ts";
import { defineCommand, type Command } from "../command.ts";
import { maxPixelsOf, maxPixelsOption } from "../options/max-pixels.ts";
import { formatInspection } from "../print/inspection.ts";
import { parseSource, sourceOptions } from "../options/source-argument.ts";

const command: Command = defineCommand({
  name: "data inspect",
  summary: "Shows what a source holds: counts, sizes, captions, bad samples, and a contact sheet.",
  usage: "<source>",
  options: {
    sheet: { type: "string", value: "<file>", help: "write a contact sheet: .html, .png or .jpg" },
    "sheet-count": {
      type: "integer",
      least: 1,
      value: "<n>",
      help: "images on the sheet; default 48",
    },
    tokenizer: { type: "string", value: "<folder>", help: "count tokens with this tokenizer" },
    check: { type: "string", choices: ["header", "decode"], help: "default decode: every image" },
    "max-pixels": {
      ...maxPixelsOption["max-pixels"],
      help: "a larger picture is bad; default 67108864, as in training",
    },
    limit: { type: "integer", least: 1, value: "<n>", help: "stop after so many samples" },
    ...sourceOptions,
  },
  examples: [
    "limn data inspect shards",
    "limn data inspect pairs.csv --sheet sheet.html",
    "limn data inspect 'train-{000..127}.tar' --check header --limit 100000 --json",
  ],
  async run({ options, operands, print, note }) {
    const source = parseSource(operands[0] ?? "", options);
    const format = options.sheet === undefined ? undefined : sheetFormat(options.sheet);
    if (options.sheet !== undefined) checkSheetTarget(options.sheet, source);
    const report = await inspectSource({
      source,
      ...(options.tokenizer && { tokenizer: await loadTokenizer(options.tokenizer) }),
      ...(options.check && { check: options.check }),
      ...maxPixelsOf(options),
      ...(options.limit !== undefined && { limit: options.limit }),
    });
    print(formatInspection(report), report);
    if (options.sheet === undefined || format === undefined) return;
    const count = options["sheet-count"] ?? 48;
    const sheet = await contactSheet({ source, format, count, ...maxPixelsOf(options) });
    writeSheet(options.sheet, sheet, source);
    note(`contact sheet: ${options.sheet}`);
  },
});
export default command;

type Format = "html" | "png" | "jpg";

function sheetFormat(file: string): Format {
  const ending = /\.(html|png|jpg)$/i.exec(file)?.[1]?.toLowerCase();
  if (ending) return ending as Format;
  throw new UsageError(
    `Expected .html, .png or .jpg at the end of --sheet but received "${file}".`,
  );
}
