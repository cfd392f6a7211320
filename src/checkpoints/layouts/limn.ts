/**
 * limn's own layouts, for what no other library's holds: a pair of any towers, or a tower alone as
 * `limn pretrain` writes it. `config.json` is limn's configuration as it is, weights have limn's names.
 */
import { join } from "node:path";
import { CheckpointError } from "../../errors.ts";
import type { ImageTower, TextTower } from "../../towers/tower.ts";
import type { DualEncoderConfig } from "../../pair/dual-encoder.ts";
import { isJsonObject, JsonFields, type JsonObject } from "../../files/json-fields.ts";
import type { KeyTable } from "../weights/key-table.ts";
import { preparation } from "./hugging-face/hugging-face.ts";
import type { DescribedModel, Layout } from "../layout.ts";
import type { Place } from "../place.ts";
import { towerTokenizer } from "./tower-tokenizer.ts";

const pairType = "limn-dual-encoder";
const towerType = "limn-tower";

/** Every weight under its own name. */
export const ownNames: KeyTable = { keys: { "**": "**" } };

export const limnPair: Layout = {
  name: "limn's pair",
  matches: (place) => modelType(place) === pairType,
  read: (place, given) => {
    const file = join(place.folder, "config.json");
    const contents = {
      kind: "pair",
      config: fromPairConfig(file, place.json("config.json")),
    } as const;
    return {
      place,
      layout: limnPair.name,
      family: "dual encoder",
      contents,
      table: ownNames,
      weights: () => place.weightsOf(["model.safetensors"]),
      ...preparation(place, contents, { given }),
      tokenizer: () => towerTokenizer(place, { contents }, given),
    };
  },
};

export const limnTower: Layout = {
  name: "limn's tower",
  matches: (place) => modelType(place) === towerType,
  read: (place, given) => {
    const file = join(place.folder, "config.json");
    const { side, ...tower } = fromTowerConfig(file, place.json("config.json"));
    const contents = { kind: side, ...tower } as DescribedModel["contents"];
    return {
      place,
      layout: limnTower.name,
      family: "dual encoder",
      contents,
      // What it was pretrained with, such as a head, lies beside the tower.
      table: { ...ownNames, carried: (name) => !name.startsWith(`${side}Tower.`) },
      weights: () => place.weightsOf(["model.safetensors"]),
      ...preparation(place, contents, { given }),
      tokenizer: () => towerTokenizer(place, { contents }, given),
    };
  },
};

function modelType(place: Place): unknown {
  if (place.file !== undefined || !place.names.includes("config.json")) return undefined;
  return place.json("config.json")["model_type"];
}

/** The text of a pair's `config.json`. */
export function toPairConfig(config: DualEncoderConfig): string {
  return `${JSON.stringify({ model_type: pairType, version: 1, ...config }, null, 2)}\n`;
}

/** The text of a tower's `config.json`. */
export function toTowerConfig(side: "image" | "text", { config, projection }: AnyTower): string {
  const embedDim = projection?.weight.tensor.size(0) ?? null;
  const json = { model_type: towerType, version: 1, side, embedDim, tower: config };
  return `${JSON.stringify(json, null, 2)}\n`;
}

type AnyTower = ImageTower | TextTower;

const pairKeys: readonly string[] = [
  "embedDim",
  "image",
  "text",
  "imageProjection",
  "textProjection",
  "logitScaleLogInit",
  "logitScaleAs",
  "logitBiasInit",
] satisfies (keyof DualEncoderConfig)[];

/** Sizes are checked where the towers are made. Throws CheckpointError naming the file and the field. */
function fromPairConfig(file: string, json: JsonObject): DualEncoderConfig {
  const { model_type: _, version, ...config } = json;
  checkVersion(file, version);
  const fields = new JsonFields(file, "", json);
  const unknown = Object.keys(config).find((key) => !pairKeys.includes(key));
  if (unknown !== undefined) fields.fail(unknown, `nothing (the keys are ${pairKeys.join(", ")})`);
  fields.integer("embedDim", Number.NaN);
  fields.number("logitScaleLogInit", Number.NaN);
  for (const name of ["image", "text"]) checkTower(fields, name, json[name]);
  return config as unknown as DualEncoderConfig;
}

function fromTowerConfig(
  file: string,
  json: JsonObject,
): { side: "image" | "text"; config: unknown; embedDim: number | null } {
  checkVersion(file, json["version"]);
  const fields = new JsonFields(file, "", json);
  const { side, tower } = json;
  if (side !== "image" && side !== "text") return fields.fail("side", '"image" or "text"');
  checkTower(fields, "tower", tower);
  const embedDim = fields.raw("embedDim") === undefined ? null : fields.integer("embedDim", 0);
  return { side, config: tower, embedDim };
}

function checkTower(fields: JsonFields, name: string, tower: unknown): void {
  if (!isJsonObject(tower) || typeof tower["kind"] !== "string") fields.fail(name, "a tower");
}

function checkVersion(file: string, version: unknown): void {
  if (version === 1) return;
  throw new CheckpointError(
    file,
    `Expected 1 for version in ${file} but received ${JSON.stringify(version) ?? "nothing"}; ` +
      "use the limn that wrote it, or a newer one",
  );
}
