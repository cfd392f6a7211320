/** A folder as open_clip's `push_to_hf_hub` writes it: `open_clip_config.json` beside the weights. */
import { join } from "node:path";
import { isJsonObject } from "../../../files/json-fields.ts";
import { fromOpenClipPreprocess } from "../../preprocessing/open-clip-preprocess.ts";
import type { Layout } from "../../layout.ts";
import { isWeightsFile } from "../../weights/weight-file.ts";
import { StrictFields } from "../strict-fields.ts";
import { timmVit, type TimmVits } from "../timm/names.ts";
import { openClipTable } from "./keys.ts";
import { fromModelConfig } from "./model-config.ts";
import { pairSource, readTokenizerFields } from "./pair-source.ts";

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
    read: (place, given) => {
      const file = join(place.folder, configFile);
      // open_clip looks at nothing else in it than these two.
      const fields = new StrictFields(file, "", place.json(configFile));
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
        weights: () =>
          place.file !== undefined && isWeightsFile(place.file)
            ? place.weightsIn(place.file)
            : place.weightsOf(weightsFiles),
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
