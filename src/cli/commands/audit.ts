/** `limn audit`: how a model treats the groups of a set. */
import { audit } from "../../evaluate/audit/audit-model.ts";
import { writeAudit } from "../../report/pages/audit-page.ts";
import { keepFreedMemory } from "../../torch/index.ts";
import { defineCommand, type Command } from "../command.ts";
import { auditOf, auditOptions } from "../options/audit-arguments.ts";
import { pageFile } from "../options/page-file.ts";
import { maxPixelsOf, maxPixelsOption } from "../options/max-pixels.ts";
import { chosenUse, loadOptions, modelOptions, useOptions } from "../options/model-options.ts";
import { noteColumns, sourceOptions } from "../options/source-argument.ts";
import { auditText } from "../../report/pages/audit-text.ts";

const command: Command = defineCommand({
  name: "audit",
  summary:
    "Audits a model on a set whose samples carry metadata: accuracy and calibration by group, what\n" +
    "faces are taken for, how neutral queries rank groups, associations, what debiasing would cost.",
  usage: "<model> <source>",
  options: {
    html: { type: "string", value: "<file>", help: "write the card as a page" },
    cache: { type: "string", value: "<folder>", help: "keep embeddings for the next run" },
    ...auditOptions,
    "batch-size": {
      type: "integer",
      least: 1,
      value: "<n>",
      help: "pictures per forward pass; default 64",
    },
    ...maxPixelsOption,
    ...useOptions,
    ...sourceOptions,
    ...modelOptions,
  },
  examples: [
    "limn audit runs/first/model things.csv --classes things.txt --groups region --html audit.html",
    "limn audit runs/first/model homes.jsonl --classes c.txt --groups region --income income --cluster home",
    "limn audit runs/first/model wds_fairface_test --protocol fairface --json",
    "limn audit runs/first/model faces.csv --groups gender --groups gender,race --names names.json",
  ],
  async run({ options, operands, print, note }) {
    const [model = "", operand = ""] = operands;
    const { html, cache, "batch-size": batchSize } = options;
    const file = pageFile(html);
    const asked = await auditOf(operand, options, note);
    noteColumns(asked.source, note, { records: true });
    keepFreedMemory();
    const card = await audit({
      ...asked,
      model,
      load: loadOptions(options, note),
      ...chosenUse(options, note),
      ...maxPixelsOf(options),
      ...(batchSize !== undefined && { batchSize }),
      ...(cache !== undefined && { cache }),
      onPart: (name) => note(`Auditing ${name}`),
    });
    if (file !== undefined) writeAudit(file, card);
    print(auditText(card), card);
    if (file !== undefined) note(`The page is ${file}`);
  },
});
export default command;
