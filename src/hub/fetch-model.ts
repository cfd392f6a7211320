/** Models of the hub in the cache. */
import { HubError } from "../errors.ts";
import { fetchRepository, type FetchOptions } from "./fetch-repository.ts";
import { formatReference, parseModelReference, type HubReference } from "./reference.ts";

/**
 * Fetches the chosen files of a model and returns the folder that holds them: the snapshot of one
 * commit, or the reference's subfolder of it. Files that the cache has are not fetched again. A
 * commit that the cache has needs no network; a branch or tag takes one request, and where that
 * fails for lack of network the commit that it last stood for is used, with a warning.
 *
 * reference  `hf://org/name[@revision][/subfolder]`, or one that was parsed
 * throws     HubError, whose `failure` says why; what has arrived stays in the cache
 */
export async function fetchModel(
  reference: string | HubReference,
  options: FetchOptions,
): Promise<string> {
  // One that was built by hand is checked like one that was written.
  const text = typeof reference === "string" ? reference : formatReference(reference);
  const parsed = parseModelReference(text);
  if (parsed.kind === "hub") return fetchRepository(parsed, options);
  throw new HubError(
    "reference",
    `Expected "hf://org/name[@revision]" for the model to fetch but received the path "${text}"; write hf:// before the name of a model of the hub.`,
  );
}
