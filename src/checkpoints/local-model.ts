/** From what a user calls a model to a path on this machine: a path itself, or one of the hub's to fetch. */
import { join } from "node:path";

import { fetchModel, type FetchModelOptions } from "../hub/fetch-model.ts";
import { formatReference, parseModelReference } from "../hub/reference.ts";
import { readJsonObject } from "../files/json-fields.ts";
import { chooseModelFiles, hasTwoConfigs } from "./model-files.ts";

/** How models of the hub are fetched. */
export type HubFetchOptions = Omit<FetchModelOptions, "choose">;

/**
 * The path of a model: as it is, or where the files of `hf://organisation/name[@revision]` lie once they
 * are in the cache.
 *
 * throws  HubError where they cannot be fetched; CheckpointError where there are no weights among them
 */
export async function localModel(
  reference: string,
  options: HubFetchOptions = {},
): Promise<string> {
  const parsed = parseModelReference(reference);
  if (parsed.kind === "path") return reference;
  const name = formatReference(parsed);
  let isOpen = false;
  const folder = await fetchModel(parsed, {
    ...options,
    choose: (files) => {
      isOpen = hasTwoConfigs(files);
      return isOpen ? ["config.json"] : chooseModelFiles(name, files);
    },
  });
  if (!isOpen) return folder;
  const { model_type: type } = readJsonObject(join(folder, "config.json"));
  const openClip = type === undefined;
  return fetchModel(parsed, {
    ...options,
    choose: (files) => chooseModelFiles(name, files, { openClip }),
  });
}

/** A model as Python's libraries name it: `organisation/name` on the hub where that says all, else as it is. */
export function libraryName(reference: string): string {
  const parsed = parseModelReference(reference);
  if (parsed.kind === "path") return reference;
  return parsed.revision === "main" && parsed.subfolder === ""
    ? `${parsed.org}/${parsed.name}`
    : formatReference(parsed);
}
