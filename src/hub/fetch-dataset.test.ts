import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { commit, failsWith, hubFixture, model, weights } from "../../test/support/hub-fixture.ts";
import { fetchDataset } from "./fetch-dataset.ts";

const tars = {
  commit,
  revisions: ["main", "refs/convert/parquet"],
  files: {
    "classnames.txt": { bytes: Buffer.from("a\nb\n"), lfs: false },
    "test/0.tar": { bytes: weights, lfs: true },
    "train/0.tar": { bytes: weights.subarray(1), lfs: true },
  },
};

test("a data set that cannot be had is called one, with its page", async (t) => {
  const { hub, cache, fetch: fetchModel } = await hubFixture(t);
  hub.repositories.set("datasets/org/set", tars);
  const fetch = (reference: string, choose = () => ["classnames.txt"]): Promise<string> =>
    fetchDataset(reference, {
      choose,
      cacheFolder: cache,
      endpoint: hub.endpoint,
      environment: { HOME: cache },
      backoffMs: 2,
    });
  await assert.rejects(
    fetch("hf://datasets/org/model"),
    failsWith("not-found", /^Expected the data set hf:\/\/datasets\/org\/model but received 401/),
  );
  await assert.rejects(
    fetch("hf://datasets/org/set@v2"),
    failsWith(
      "not-found",
      /the revision "v2" of org\/set .* on http:\S+\/datasets\/org\/set\/tree\/main/,
    ),
  );
  await assert.rejects(
    fetch("hf://datasets/org/set", () => []),
    failsWith("not-found", /at least one file of a data set in hf:\/\/datasets\/org\/set/),
  );
  await assert.rejects(fetchModel("hf://org/set"), failsWith("not-found", /^Expected the model/));
  await assert.rejects(fetch("hf://org/set"), failsWith("reference", /hf:\/\/datasets\/org\/set/));
});

test("the chosen files of a data set come into a cache of its own, and only those that it lacks", async (t) => {
  const { hub, cache, requests } = await hubFixture(t);
  hub.repositories.set("datasets/org/model", tars);
  hub.repositories.set("org/model", model);
  const fetch = (names: string[], more = {}): Promise<string> =>
    fetchDataset("hf://datasets/org/model", {
      choose: () => names,
      cacheFolder: cache,
      endpoint: hub.endpoint,
      environment: { HOME: cache },
      ...more,
    });
  const folder = await fetch(["classnames.txt"]);
  assert.equal(folder, path.join(cache, "datasets--org--model", "snapshots", commit));
  requests();
  await fetch(["classnames.txt", "test/0.tar"]);
  const asked = requests().filter((one) => !one.includes("/store/"));
  assert.deepEqual(asked, [
    "GET /api/datasets/org/model/revision/main",
    `HEAD /datasets/org/model/resolve/${commit}/test/0.tar`,
    `GET /datasets/org/model/resolve/${commit}/test/0.tar`,
  ]);
  assert.deepEqual(readFileSync(path.join(folder, "test", "0.tar")), weights);
  const again = await fetch(["test/0.tar"], { offline: true });
  assert.equal(again, folder);
  await assert.rejects(
    fetch(["train/0.tar"], { offline: true }),
    failsWith("offline", /^Expected train\/0\.tar of hf:\/\/datasets\/org\/model in the cache/),
  );
});
