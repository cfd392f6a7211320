/** The models that a pair's run starts from, each opened once: of the hub or of this machine. */
import { openModel, openModelAt } from "../../checkpoints/open-model.ts";
import type { ModelSource } from "../../checkpoints/layout.ts";
import { factsOf, pathOf, type NamedModel } from "../../checkpoints/named-model.ts";
import { atPath } from "../../errors.ts";
import type { ResolvedRecipe } from "../recipe/recipe.ts";

/** Whoever opened them closes them. */
export interface Origins {
  /** Of the recipe's `pretrained`, or the checkpoint that the run goes on from. */
  readonly pair?: ModelSource | undefined;
  /** Of `towers.image.pretrained`. */
  readonly image?: ModelSource | undefined;
  /** Of `towers.text.pretrained`. */
  readonly text?: ModelSource | undefined;
  close(): void;
}

/** Throws RecipeError for facts that cannot be, HubError and CheckpointError as `openModel`. */
export async function openOrigins({ pretrained, towers }: ResolvedRecipe): Promise<Origins> {
  const opened = new Map<string, ModelSource>();
  const close = (): void => {
    for (const source of opened.values()) source.close();
  };
  const open = async (
    model: NamedModel | undefined,
    key: string,
  ): Promise<ModelSource | undefined> => {
    if (model === undefined) return undefined;
    const [path, facts] = [pathOf(model), factsOf(model, key)];
    const same = JSON.stringify([path, facts]);
    const source = opened.get(same) ?? (await atPath(key, () => openModel(path, facts)));
    opened.set(same, source);
    return source;
  };
  try {
    const pair = await open(pretrained, "pretrained");
    const image = await open(towers.image.pretrained, "towers.image.pretrained");
    const text = await open(towers.text.pretrained, "towers.text.pretrained");
    return { pair, image, text, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** A checkpoint describes itself, so that a run goes on without the models that it started from. */
export function openCheckpoint(folder: string): Origins {
  const pair = openModelAt(folder);
  return { pair, close: () => pair.close() };
}
