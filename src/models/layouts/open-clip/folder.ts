/** A folder as open_clip's `push_to_hf_hub` writes it: `open_clip_config.json` beside the weights. */
import { join } from "node:path";
import { CheckpointError } from "../../../errors.ts";
import { isJsonObject, readJsonObject } from "../../json-fields.ts";
import { fromOpenClipPreprocess } from "../../preprocessing/open-clip-preprocess.ts";
import type { Layout, ModelSource, Place } from "../layout.ts";
import { StrictFields } from "../strict-fields.ts";
import { timmVit, type TimmVits } from "../timm/names.ts";
import { openClipTable } from "./keys.ts";
import { fromModelConfig } from "./model-config.ts";
import { isWeightsFile, openWeights } from "./open-weights.ts";
import { pairSource } from "./pair-source.ts";
import { readTokenizerFields } from "./tokenizer.ts";

export const configFile = "open_clip_config.json";

/** In open_clip's own order (factory.py, `_find_checkpoint_in_dir`). */
const weightsFiles: readonly string[] = [
  "open_clip_model.safetensors",
  "open_clip_pytorch_model.safetensors",
  "open_clip_pytorch_model.bin",
  "open_clip_pytorch_model.pth",
  "model.safetensors",
  "pytorch_model.bin",
  "pytorch_model.pth",
  "model.pth",
];

export const openClipFolder: Layout = folderLayout(timmVit);

/** The layout with other sizes behind the names of timm's towers. */
export function folderLayout(timmVits: TimmVits): Layout {
  return {
    name: "open_clip",
    matches: ({ names, file }) =>
      names.includes(configFile) &&
      (file === undefined || file.endsWith(configFile) || isWeightsFile(file)),
    read: (place, given): ModelSource => {
      const file = join(place.folder, configFile);
      const fields = new StrictFields(file, "", readJsonObject(file));
      fields.only(["model_cfg", "preprocess_cfg"]);
      const modelCfg = fields.raw("model_cfg");
      if (!isJsonObject(modelCfg)) return fields.fail("model_cfg", "an object");
      const { config, names } = fromModelConfig(file, modelCfg, { path: "model_cfg.", timmVits });
      const text = fields.section("model_cfg").section("text_cfg");
      const wanted = readTokenizerFields(text);
      const { values } = fields.section("preprocess_cfg");
      return pairSource({
        place,
        given,
        layout: "open_clip",
        config,
        table: openClipTable(names),
        wanted,
        openWeights: () => openWeights(weightsFile(place)),
        transform: () =>
          fromOpenClipPreprocess(
            file,
            { preprocess_cfg: values },
            { imageSize: config.image.imageSize },
          ),
      });
    },
  };
}

/** The file that was named, or the one that open_clip would take. */
function weightsFile({ file, folder, names, path }: Place): string {
  if (file !== undefined && isWeightsFile(file)) return file;
  const name = weightsFiles.find((one) => names.includes(one));
  if (name !== undefined) return join(folder, name);
  throw new CheckpointError(
    join(folder, weightsFiles[0] as string),
    `Expected the weights, one of ${weightsFiles.join(", ")}, in ${path} but there is no such file; ` +
      "fetch or copy the whole folder, or give the path of the file",
  );
}
