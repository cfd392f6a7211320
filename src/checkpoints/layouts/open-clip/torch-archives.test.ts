import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openAi } from "../open-ai.ts";
import { assertPair, goldenPlace, pairOf } from "../../../../test/support/golden-models.ts";
import { openClipCheckpoint } from "./training-checkpoint.ts";

describe("openClipCheckpoint", () => {
  it("computes what open_clip does from its own file, and is no OpenAI archive", () => {
    using place = goldenPlace("open-clip-checkpoint", "epoch_3.pt");
    assert.ok(openClipCheckpoint.matches(place) && !openAi.matches(place));
    const model = pairOf(openClipCheckpoint.read(place, { activation: "quickGelu" }));
    assertPair("open-clip-checkpoint", model);
    model.dispose();
  });
});

describe("openAi", () => {
  it("computes what openai/CLIP does from its own archive, without being told anything", async () => {
    using place = goldenPlace("openai", "tiny.pt", ["tiny.pt"]);
    assert.ok(openAi.matches(place));
    const source = openAi.read(place, {});
    assert.equal(source.evaluationTransform().imageSize, 24);
    await assert.rejects(source.tokenizer(), /merges\.txt, .* option tokenizer/);
    const model = pairOf(source);
    assertPair("openai", model);
    model.dispose();
  });
});
