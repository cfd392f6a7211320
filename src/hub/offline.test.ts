import assert from "node:assert/strict";
import { rmSync, unlinkSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { commit, failsWith, hubFixture, needed } from "../../test/support/hub-fixture.ts";
import { refuseWith } from "../../test/support/local-hub.ts";

test("offline, what is missing is named and the network is left alone", async (t) => {
  const { hub, fetch, cache, repository } = await hubFixture(t);
  await assert.rejects(
    fetch(undefined, { offline: true }),
    failsWith(
      "offline",
      /Expected hf:\/\/org\/model in the cache .* but received nothing of it; fetch it once with network/,
    ),
  );
  const environment = { HOME: cache, HF_HUB_OFFLINE: "1" };
  await assert.rejects(
    fetch(`hf://org/model@${commit}`, { environment }),
    failsWith("offline", /received nothing of it/),
  );
  assert.equal(hub.log.length, 0);
  const folder = await fetch();
  hub.log.length = 0;
  await assert.rejects(
    fetch(undefined, { offline: true, choose: () => [...needed, "pytorch_model.bin"] }),
    failsWith(
      "offline",
      /Expected pytorch_model.bin of hf:\/\/org\/model .* only a part of commit 0123/,
    ),
  );
  await assert.rejects(
    fetch("hf://org/model@v1", { offline: true }),
    failsWith("offline", /nothing/),
  );
  assert.equal(await fetch(undefined, { environment }), folder);
  assert.equal(await fetch(`hf://org/model@${commit}`, { offline: true }), folder);
  unlinkSync(path.join(repository, "blobs", "..", "snapshots", commit, "config.json"));
  await assert.rejects(fetch(undefined, { offline: true }), failsWith("offline", /config.json of/));
  assert.equal(hub.log.length, 0);
});

test("a cache without the list of a commit, as older huggingface_hub leaves it", async (t) => {
  const { hub, fetch, repository } = await hubFixture(t);
  const folder = await fetch();
  rmSync(path.join(repository, "trees"), { recursive: true });
  hub.log.length = 0;
  assert.equal(await fetch(undefined, { offline: true }), folder);
  assert.equal(await fetch(`hf://org/model@${commit}`), folder);
  assert.equal(hub.log.length, 0);
  const choose = () => {
    throw new Error("no weights");
  };
  await assert.rejects(fetch(undefined, { offline: true, choose }), (error: Error) => {
    assert.equal((error.cause as Error).message, "no weights");
    return failsWith("offline", /only a part of commit/)(error);
  });
  assert.equal(hub.log.length, 0);
});

test("without a connection the cached commit is used, with a warning and without waiting", async (t) => {
  const { hub, fetch, warnings } = await hubFixture(t);
  const folder = await fetch();
  assert.deepEqual(warnings, []);
  const slow = { backoffMs: 60_000 };
  hub.intercept = (_, response) => refuseWith(response, 502);
  assert.equal(await fetch(undefined, slow), folder);
  assert.match(
    warnings[0] ?? "",
    /^Using hf:\/\/org\/model from the cache, commit 0123.*status 502/,
  );
  const closed = { ...slow, endpoint: "http://127.0.0.1:1" };
  assert.equal(await fetch(undefined, closed), folder);
  assert.equal(warnings.length, 2);
  await assert.rejects(
    fetch(undefined, { ...closed, choose: () => [...needed, "pytorch_model.bin"] }),
    failsWith("offline", /Expected pytorch_model.bin of .*since the hub cannot be reached/),
  );
  hub.intercept = (_, response) => refuseWith(response, 403, { "x-error-code": "GatedRepo" });
  await assert.rejects(
    fetch(),
    failsWith("gated", /accept its terms/),
    "a refusal is not overruled",
  );
});

test("without a connection and a cache the error says what to check", async (t) => {
  const { fetch } = await hubFixture(t);
  for (const reference of ["hf://org/model", `hf://org/model@${commit}`]) {
    await assert.rejects(
      fetch(reference, { endpoint: "http://127.0.0.1:1", retries: 1 }),
      failsWith(
        "network",
        /a failed connection to 127.0.0.1:1 .*after 2 tries; check the connection and the proxy/,
      ),
    );
  }
  await assert.rejects(
    fetch(undefined, { endpoint: "http://hub.invalid", retries: 0 }),
    failsWith("network", /hub.invalid/),
  );
});
