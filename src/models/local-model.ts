/** From what a user calls a model to a path on this machine: a path itself, or one of the hub's to fetch. */
import { fetchModel, type FetchModelOptions } from "../hub/fetch-model.ts";
import { formatReference, parseModelReference } from "../hub/reference.ts";
import { chooseModelFiles } from "./model-files.ts";

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
  const choose: FetchModelOptions["choose"] = (files) =>
    chooseModelFiles(formatReference(parsed), files);
  return fetchModel(parsed, { ...options, choose });
}
