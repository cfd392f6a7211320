/** A teacher pair for distillation: embeds each batch with its own tokens and normalisation. */
import { factsOf, pathOf } from "../../checkpoints/named-model.ts";
import { convertedFirst, type EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import { RecipeError } from "../../errors.ts";
import { pairEncoder } from "../../inference/encoder.ts";
import { teacherOf } from "../../objectives/index.ts";
import { loadModel, type LoadedModel } from "../../inference/load-model.ts";
import { noGrad, scope, type Device } from "../../torch/index.ts";
import type { BatchSources, Teacher } from "../step/batch-input.ts";
import type { ResolvedRecipe } from "../recipe/recipe.ts";

export interface OpenTeacher {
  source: Pick<BatchSources, "teacher">;
  close: () => void;
}

/**
 * Opens the teacher that the objective asks for; nothing where it has none.
 *
 * throws  RecipeError where the teacher sees other pictures than the student's pixels can give it;
 *         CheckpointError for its folder
 */
export async function openTeacher(
  recipe: ResolvedRecipe,
  { transform, device }: { transform: EvaluationTransform; device: Device },
): Promise<OpenTeacher | undefined> {
  const named = teacherOf(recipe.objective);
  if (named === undefined) return undefined;
  const facts = factsOf(named, "objective.teacher");
  const loaded = await loadModel(pathOf(named), { ...facts, device });
  try {
    check(recipe, convertedFirst(loaded.evaluationTransform), transform);
    return { source: { teacher: teacherFrom(loaded) }, close: () => loaded.dispose() };
  } catch (error) {
    loaded.dispose();
    throw error;
  }
}

function check(
  recipe: ResolvedRecipe,
  theirs: EvaluationTransform,
  ours: EvaluationTransform,
): void {
  const [seen, given] = [spelledOut(theirs), spelledOut(ours)];
  const differing = Object.keys(given).find((key) => seen[key] !== given[key]);
  if (differing !== undefined) {
    throw new RecipeError(
      "objective.teacher",
      `Expected a teacher that sees pictures with ${differing} ${given[differing]} for ` +
        `objective.teacher but received one with ${seen[differing]}; ` +
        "give data.transform and the model the teacher's values",
    );
  }
  const caching = recipe.data.cache ?? recipe.towers.image.cache;
  if (caching === undefined) return;
  throw new RecipeError(
    "objective.teacher",
    "Expected decoded pictures in every batch for objective.teacher but received a recipe that " +
      "caches them; remove data.cache and towers.image.cache",
  );
}

/** All that decides the pixels before they are normalised, what is absent by its default. */
function spelledOut(transform: EvaluationTransform): Record<string, string | number> {
  const { imageSize, resizeMode, resizeSize = imageSize, interpolation } = transform;
  const { resampler = "pillow", cropRounding = "halfEven", transparency = "drop" } = transform;
  const { fill = [0, 0, 0] } = transform;
  // Nothing is left to crop of a square that was resized to its size.
  const whole = resizeMode === "squash" && resizeSize === imageSize;
  return {
    ...{ imageSize, resizeMode, resizeSize, interpolation, resampler },
    crop: whole ? "none" : transform.crop,
    cropRounding: whole ? "halfEven" : cropRounding,
    transparency,
    fill: `[${fill.join(", ")}]`,
  };
}

/** The teacher sees the student's pixels, normalised in its own way, and the captions' own tokens. */
function teacherFrom({ pair, tokenizer, evaluationTransform }: LoadedModel): Teacher {
  const encoder = pairEncoder(pair, evaluationTransform);
  const { contextLength } = tokenizer;
  return {
    embed: ({ pixels, captions }) => {
      const { tokens } = tokenizer.encodeBatch(captions);
      return scope(() => ({
        image: encoder.imageRows(pixels),
        text: encoder.textRows({ tokens, contextLength }),
        logitScale: noGrad(() => pair.logitScale()),
      }));
    },
  };
}
