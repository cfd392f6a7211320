/** A recipe whose models of the hub have been fetched: it names paths of this machine instead. */
import { localModel } from "../../checkpoints/local-model.ts";
import type { ResolvedRecipe } from "../recipe/recipe.ts";

/** Throws HubError for a model that cannot be fetched. */
export async function withLocalModels(recipe: ResolvedRecipe): Promise<ResolvedRecipe> {
  const { pretrained, towers } = recipe;
  const [pair, image, text] = await Promise.all([
    local(pretrained),
    local(towers.image.pretrained),
    local(towers.text.pretrained),
  ]);
  return {
    ...recipe,
    ...(pair === undefined ? {} : { pretrained: pair }),
    towers: {
      ...towers,
      image: { ...towers.image, ...(image === undefined ? {} : { pretrained: image }) },
      text: { ...towers.text, ...(text === undefined ? {} : { pretrained: text }) },
    },
  };
}

async function local(reference: string | undefined): Promise<string | undefined> {
  return reference === undefined ? undefined : localModel(reference);
}
