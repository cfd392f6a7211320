/** `limn suite run`: a model on every set of a suite. */
import { evaluateSuite } from "../../evaluate/evaluate-suite.ts";
import { setsToMeasure } from "../../evaluate/suites/open-set.ts";
import { checkRecordedFiles } from "../../files/folder-record.ts";
import { catchSignals, keepFreedMemory, pendingSignal } from "../../torch/index.ts";
import { defineCommand, type Command } from "../command.ts";
import { maxPixelsOf, maxPixelsOption } from "../options/max-pixels.ts";
import * as model from "../options/model-options.ts";
import {
  bootstrapOf,
  cacheOf,
  chosenSuite,
  suiteRunOptions,
} from "../options/suite-run-options.ts";
import { templatesOf } from "../options/template-argument.ts";
import { suiteProgress } from "../print/suite/suite-progress.ts";
import { suiteResultsText } from "../print/suite/suite-table.ts";
import { suiteFiles, writeSuiteResults } from "../print/suite/write-suite-results.ts";

const command: Command = defineCommand({
  name: "suite run",
  summary:
    "Measures a model on every set of a suite that is there, with intervals, and says which are\n" +
    "missing or damaged. Embeddings are kept: a second run, or another prompt, embeds no picture.",
  usage: "<model> [root]",
  options: {
    ...suiteRunOptions,
    ...maxPixelsOption,
    ...model.useOptions,
    ...model.modelOptions,
  },
  examples: [
    "limn suite run runs/first/model sets --suite datacomp-38 --out results",
    "limn suite run hf://openai/clip-vit-base-patch32 sets --suite vtab-13 --only vtab/pets --json",
    "limn suite run runs/first/model --suite mine.json --templates prompts.txt",
  ],
  async run({ options, operands, print, note }) {
    const [reference = "", root] = operands;
    const suite = await chosenSuite(options);
    const cache = cacheOf(options);
    if (options.out !== undefined) checkRecordedFiles(options.out, suiteFiles);
    const sets = setsToMeasure(suite, {
      ...{ root, languages: options.languages, calibration: true, held: options["calibrate-on"] },
      templates: templatesOf(options.templates),
      hub: model.hubFetching(options, note),
    });
    const load = model.loadOptions(options, note);
    const use = model.chosenUse(options, note);
    const { progress, end, stop } = suiteProgress(sets.length, note, () => pendingSignal() !== 0);
    keepFreedMemory();
    catchSignals(true);
    try {
      const results = await evaluateSuite({
        ...{ model: reference, load, suite, sets, averages: suite.averages, cache },
        ...{ ...use, ...maxPixelsOf(options), ...progress },
        batchSize: options["batch-size"] ?? 64,
        bootstrap: bootstrapOf(options),
      });
      if (options.out !== undefined) {
        for (const file of writeSuiteResults(options.out, results)) note(`wrote ${file}`);
      }
      print(suiteResultsText(results), results);
      return results.sets.every(({ state }) => state === "measured") ? 0 : 1;
    } catch (error) {
      if (!stop.aborted) throw error;
      end();
      note("Stopped; embeddings so far are kept: run it again to go on.");
      return 128 + pendingSignal();
    } finally {
      end();
      catchSignals(false);
    }
  },
});
export default command;
