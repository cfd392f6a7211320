import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import {
  refuseWith,
  startLocalHub,
  type LocalFile,
  type LocalHub,
} from "../../../test/support/local-hub.ts";
import { openBenchmarkSet } from "./benchmark-set.ts";
import { fetchSuite, type FetchedSet, type FetchSuiteOptions } from "./fetch-suite.ts";
import { classified, type SetDefinition, type SuiteDefinition } from "./suite.ts";

const goldens = new URL("../../../../test/goldens/benchmark-sets/", import.meta.url).pathname;
const commit = "0123456789abcdef0123456789abcdef01234567";

function repository(name: string): Record<string, LocalFile> {
  const names = readdirSync(join(goldens, name), { recursive: true }).map(String);
  const files = names.filter((file) => /\.\w+$/.test(file));
  return Object.fromEntries(
    files.map((file) => [
      file,
      { bytes: readFileSync(join(goldens, name, file)), lfs: file.endsWith(".tar") },
    ]),
  );
}

const pets: SetDefinition = classified("vtab/pets", "Pets", {
  folders: ["wds_vtab-pets_test", "wds_vtab-pets"],
  hub: "hf://datasets/org/wds_vtab-pets",
});
const cars: SetDefinition = classified("cars", "Cars", {
  folders: ["wds_cars"],
  hub: "hf://datasets/org/wds_cars",
});
const byHand: SetDefinition = classified("hand", "By hand", { folders: ["hand"] });

const suiteOf = (...sets: SetDefinition[]): SuiteDefinition => ({
  ...{ name: "s", title: "S", summary: "", source: { paper: "", url: "" }, averages: [] },
  sets,
});

interface Fixture {
  hub: LocalHub;
  root: string;
  cache: string;
  fetch: (suite: SuiteDefinition, more?: Partial<FetchSuiteOptions>) => Promise<FetchedSet[]>;
}

async function fixture(t: TestContext): Promise<Fixture> {
  const at = { commit, revisions: ["main"] };
  const hub = await startLocalHub({
    "datasets/org/wds_vtab-pets": { ...at, files: repository("wds_classes") },
    "datasets/org/wds_cars": { ...at, files: repository("wds_metadata") },
  });
  const top = mkdtempSync(join(tmpdir(), "limn-fetch-suite-"));
  t.after(async () => {
    await hub.close();
    rmSync(top, { recursive: true });
  });
  const [root, cacheFolder] = [join(top, "sets"), join(top, "cache")];
  const options = {
    cacheFolder,
    endpoint: hub.endpoint,
    environment: {},
    backoffMs: 2,
    retries: 1,
  };
  return {
    ...{ hub, root, cache: cacheFolder },
    fetch: (suite, more) => fetchSuite(suite, { root, hub: options, ...more }),
  };
}

const states = (results: readonly FetchedSet[]): string[] =>
  results.map(({ name, state }) => `${name} ${state}`);

test("what is there is left, what is not on the hub is said, and the rest goes on", async (t) => {
  const { root, fetch, hub } = await fixture(t);
  mkdirSync(join(root, "wds_cars"), { recursive: true });
  const gone = { ...pets, hub: "hf://datasets/org/gone" };
  const [first, second, third] = await fetch(suiteOf(gone, cars, byHand));
  assert.deepEqual(states([first!, second!, third!]), [
    "vtab/pets failed",
    "cars there",
    "hand unpublished",
  ]);
  assert.match(
    first?.reason ?? "",
    /^Expected the data set hf:\/\/datasets\/org\/gone but received 401/,
  );
  assert.equal(third?.reason, `no repository is known; put it into ${join(root, "hand")}`);
  assert.deepEqual(readdirSync(join(root, "wds_cars")), []);
  hub.intercept = (_, response) => refuseWith(response, 503);
  await assert.rejects(fetch(suiteOf(pets, byHand)), { failure: "network" });
});

test("sets come into the cache once, and lie under the root as evaluation looks for them", async (t) => {
  const { root, cache, fetch, hub } = await fixture(t);
  const told: string[] = [];
  const onSet: FetchSuiteOptions["onSet"] = ({ name }, files, bytes) =>
    void told.push(`${name}: ${files.length} files, ${bytes} bytes`);
  const results = await fetch(suiteOf(pets, cars), { onSet });
  assert.deepEqual(states(results), ["vtab/pets fetched", "cars fetched"]);
  const size = Object.values(repository("wds_classes")).reduce(
    (sum, { bytes }) => sum + bytes.length,
    0,
  );
  assert.equal(told[0], `vtab/pets: 6 files, ${size} bytes`);
  // The folder has the repository's name, which is not the first that is looked for.
  assert.equal(results[0]?.place, join(root, "wds_vtab-pets"));
  assert.equal(openBenchmarkSet(results[0].place).classes.length, 5);
  if (process.platform !== "win32") {
    assert.ok(lstatSync(join(root, "wds_cars")).isSymbolicLink());
  }
  hub.log.length = 0;
  assert.deepEqual(states(await fetch(suiteOf(pets, cars))), ["vtab/pets there", "cars there"]);
  assert.deepEqual(
    hub.log.filter(({ method, url }) => method === "HEAD" || url.includes("/store/")),
    [],
  );
  // A cache that lost a file is completed through the link, and one that is gone is filled again.
  rmSync(join(root, "wds_vtab-pets", "test", "1.tar"));
  await fetch(suiteOf(pets));
  assert.ok(existsSync(join(root, "wds_vtab-pets", "test", "1.tar")));
  rmSync(cache, { recursive: true });
  assert.deepEqual(states(await fetch(suiteOf(pets))), ["vtab/pets fetched"]);
  assert.equal(openBenchmarkSet(join(root, "wds_vtab-pets")).classes.length, 5);
});

test("a fetch that was cut leaves no folder, and goes on where it was", async (t) => {
  const { root, fetch, hub } = await fixture(t);
  let shards = 0;
  hub.intercept = ({ server }, response) =>
    server === "store" && shards++ > 0 ? refuseWith(response, 403) : false;
  const cut = await fetch(suiteOf(pets));
  assert.deepEqual(states(cut), ["vtab/pets failed"]);
  assert.ok(!existsSync(join(root, "wds_vtab-pets")));
  hub.intercept = undefined;
  hub.log.length = 0;
  assert.deepEqual(states(await fetch(suiteOf(pets))), ["vtab/pets fetched"]);
  const tars = Object.values(repository("wds_classes")).filter(({ lfs }) => lfs).length;
  const again = hub.log.filter(({ server }) => server === "store").length;
  assert.ok(again < tars, `${again} of ${tars}`);
});

test("sets of one folder are fetched once, and the user's own from where they say", async (t) => {
  const { cache, fetch, hub } = await fixture(t);
  const twin = { ...pets, name: "pets/de" };
  const own: SetDefinition = {
    ...cars,
    name: "own",
    folders: [],
    hub: undefined,
    at: "hf://datasets/org/wds_cars",
  };
  const local: SetDefinition = { ...byHand, name: "local", at: goldens };
  const results = await fetch(suiteOf(pets, twin, own, local));
  assert.deepEqual(states(results), [
    "vtab/pets fetched",
    "pets/de fetched",
    "own fetched",
    "local there",
  ]);
  assert.equal(
    hub.log.filter(({ url }) => url.includes("/api/datasets/org/wds_vtab-pets/")).length,
    1,
  );
  assert.ok(results[2]?.place?.startsWith(cache));
});

test("a folder of the user's is never replaced", async (t) => {
  const { root, fetch } = await fixture(t);
  mkdirSync(root);
  symlinkSync(join(root, "nowhere"), join(root, "wds_cars"), "junction");
  const [other] = await fetch(suiteOf(cars));
  assert.match(other?.reason ?? "", /wds_cars but received a link to nothing; remove it/);
  cpSync(join(goldens, "wds_captions"), join(root, "wds_vtab-pets"), { recursive: true });
  assert.deepEqual(states(await fetch(suiteOf(pets))), ["vtab/pets there"]);
  assert.equal(openBenchmarkSet(join(root, "wds_vtab-pets")).type, "retrieval");
});
