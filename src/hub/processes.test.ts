import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { hubFixture, weights, type HubFixture } from "../../test/support/hub-fixture.ts";
import { sha256 } from "../../test/support/local-hub.ts";
import { withFileLock } from "../files/file-lock.ts";
import { thisProcess } from "../files/owner.ts";

const script = `
  import { fetchModel } from ${JSON.stringify(new URL("./fetch-model.js", import.meta.url).href)};
  const choose = () => ["config.json", "model.safetensors"];
  console.log(await fetchModel("hf://org/model", { choose }));`;

function startProcess({ hub, cache }: HubFixture) {
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache };
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { env });
  let output = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  child.stderr.on("data", (chunk) => (output += String(chunk)));
  const closed = once(child, "close");
  return { child, done: async () => [(await closed)[0] as number, output.trim()] as const };
}

const lockOf = (cache: string) =>
  path.join(cache, ".locks/models--org--model", `${sha256(weights)}.limn.lock`);

test("two processes that want the same model fetch it once", async (t) => {
  const fixture = await hubFixture(t);
  fixture.hub.intercept = async ({ server }) => {
    if (server === "store") await sleep(300);
    return false;
  };
  const results = await Promise.all([1, 2].map(() => startProcess(fixture).done()));
  for (const [code, folder] of results) {
    assert.equal(code, 0, folder);
    assert.deepEqual(readFileSync(path.join(folder, "model.safetensors")), weights);
  }
  assert.equal(fixture.hub.log.filter(({ server }) => server === "store").length, 1);
  assert.deepEqual(readdirSync(path.dirname(lockOf(fixture.cache))), []);
  assert.equal(fixture.listed("blobs").length, 2);
});

test("a lock that was left beside a whole file goes with the next fetch, that of another host stays", async (t) => {
  const fixture = await hubFixture(t);
  await fixture.fetch();
  const { pid: dead } = spawnSync(process.execPath, ["--version"]);
  const folder = path.dirname(lockOf(fixture.cache));
  for (const [name, owner] of [
    ["ended.limn.lock", { ...thisProcess(), pid: dead }],
    ["other.limn.lock", { host: "another", pid: dead }],
  ] as const) {
    writeFileSync(path.join(folder, name), JSON.stringify({ id: name, ...owner }));
  }
  await fixture.fetch();
  assert.deepEqual(readdirSync(folder), ["other.limn.lock"]);
});

test("a process that is killed leaves nothing stuck, and its bytes are used", async (t) => {
  const fixture = await hubFixture(t);
  const { hub, cache } = fixture;
  hub.intercept = ({ server }, response) => {
    if (server !== "store") return false;
    response.writeHead(200, { "content-length": weights.length });
    response.write(weights.subarray(0, 150_000));
    return true;
  };
  const killed = startProcess(fixture);
  const partial = path.join(fixture.repository, "blobs", `${sha256(weights)}.incomplete`);
  for (let i = 0; i < 500 && !(existsSync(partial) && readFileSync(partial).length > 0); i++)
    await sleep(20);
  killed.child.kill("SIGKILL");
  await killed.done();
  assert.ok(existsSync(lockOf(cache)));
  hub.intercept = undefined;
  hub.log.length = 0;
  const folder = await fixture.fetch();
  assert.deepEqual(readFileSync(path.join(folder, "model.safetensors")), weights);
  assert.match(
    hub.log.find(({ server }) => server === "store")?.headers.range ?? "",
    /^bytes=[1-9]/,
  );
  assert.ok(!existsSync(lockOf(cache)));
});

test("locks: one at a time, in the same process too; abandoned ones are broken", async (t) => {
  const { cache } = await hubFixture(t);
  const file = path.join(cache, "locks", "a.lock");
  let inside = 0;
  await Promise.all(
    Array.from({ length: 5 }, () =>
      withFileLock(file, async () => {
        assert.equal(++inside, 1);
        await sleep(5);
        inside--;
      }),
    ),
  );
  await assert.rejects(
    withFileLock(file, () => Promise.reject(new Error("no"))),
    /^Error: no$/,
  );
  assert.deepEqual(readdirSync(path.dirname(file)), []);

  const stop = AbortSignal.timeout(300);
  const owner = { id: "x", ...thisProcess() };
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(owner));
  await assert.rejects(
    withFileLock(file, async () => {}, { signal: stop }),
    "its owner lives",
  );
  const long = new Date(Date.now() - 60_000);
  for (const text of [JSON.stringify(owner), JSON.stringify({ ...owner, host: "other" }), ""]) {
    writeFileSync(file, text);
    utimesSync(file, long, long);
    assert.equal(await withFileLock(file, () => Promise.resolve(7)), 7);
  }
});
