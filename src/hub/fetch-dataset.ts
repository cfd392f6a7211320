/** Data sets of the hub in the cache. */
import { fetchRepository, type FetchOptions } from "./fetch-repository.ts";
import { formatReference, parseDatasetReference, type HubReference } from "./reference.ts";

/**
 * Fetches the chosen files of a data set as `fetchModel` fetches those of a model, into
 * `datasets--org--name` of the same cache.
 *
 * reference  `hf://datasets/org/name[@revision][/subfolder]`, or one that was parsed
 * throws     HubError, whose `failure` says why; what has arrived stays in the cache
 */
export async function fetchDataset(
  reference: string | HubReference,
  options: FetchOptions,
): Promise<string> {
  const text = typeof reference === "string" ? reference : formatReference(reference);
  return fetchRepository(parseDatasetReference(text), options);
}
