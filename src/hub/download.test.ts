import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import {
  commit,
  config,
  failsWith,
  hubFixture,
  model,
  weights,
  type HubFixture,
} from "../../test/support/hub-fixture.ts";
import { gitHash, refuseWith, sha256, type LoggedRequest } from "../../test/support/local-hub.ts";
import { requestedWait } from "./retry.ts";

const etag = sha256(weights);
const onlyWeights = { choose: () => ["model.safetensors"] };

/** Sends part of the body and breaks the connection. */
function cutAfter(
  response: ServerResponse,
  bytes: Buffer,
  headers: Record<string, string> = {},
): true {
  response.writeHead(200, { "content-length": weights.length, ...headers });
  response.write(bytes, () => response.destroy());
  return true;
}

const isStore = (request: LoggedRequest) => request.server === "store";
const rangesOf = ({ hub }: HubFixture) =>
  hub.log.filter(isStore).map(({ headers }) => [headers.range, headers["if-range"]?.toString()]);

function partialFile({ repository }: HubFixture, name = etag): string {
  const folder = path.join(repository, "blobs");
  mkdirSync(folder, { recursive: true });
  return path.join(folder, `${name}.incomplete`);
}

test("bytes with another hash are removed, and the error says so", async (t) => {
  const fixture = await hubFixture(t);
  const { hub, fetch, listed } = fixture;
  const wrong = Buffer.from(weights);
  wrong[1000]! ^= 1;
  hub.intercept = (request, response) => isStore(request) && response.end(wrong) !== undefined;
  await assert.rejects(
    fetch(undefined, onlyWeights),
    failsWith(
      "checksum",
      /^Expected the hash \w{64} for model.safetensors but received \w{64}; what had arrived was removed/,
    ),
  );
  hub.intercept = (request, response) =>
    request.method === "GET" && request.url.endsWith("config.json")
      ? response.end(Buffer.from(String(config).replace("clip", "clap"))) !== undefined
      : false;
  await assert.rejects(
    fetch(undefined, { choose: () => ["config.json"] }),
    failsWith("checksum", new RegExp(`the hash ${gitHash(config)} for config.json`)),
  );
  assert.deepEqual(listed("blobs"), []);
  assert.deepEqual(listed("snapshots"), []);
  assert.deepEqual(listed("refs"), [], "no ref without its files");
  hub.intercept = undefined;
  await fetch();
});

test("a connection that breaks behind the last byte has brought all of them", async (t) => {
  const fixture = await hubFixture(t);
  fixture.hub.intercept = (request, response) => {
    if (!isStore(request)) return false;
    // Chunked: that it ended is said by a chunk of its own, which does not come.
    response.writeHead(200);
    response.write(weights, () => setTimeout(() => response.destroy(), 50));
    return true;
  };
  await fixture.fetch(undefined, onlyWeights);
  assert.equal(rangesOf(fixture).length, 1);
});

test("more bytes than announced, and compressed ones", async (t) => {
  const { hub, fetch } = await hubFixture(t);
  hub.intercept = (request, response) =>
    isStore(request) && response.end(Buffer.concat([weights, config])) !== undefined;
  await assert.rejects(
    fetch(undefined, onlyWeights),
    failsWith("checksum", /300000 bytes .*received more/),
  );
  hub.intercept = (request, response) => {
    if (!isStore(request)) return false;
    assert.equal(request.headers["accept-encoding"], "identity");
    response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(weights));
    return true;
  };
  await assert.rejects(fetch(undefined, onlyWeights), failsWith("protocol", /compressed \(gzip\)/));
});

test("connections that are cut are taken up where they broke", async (t) => {
  const fixture = await hubFixture(t);
  const { hub, fetch } = fixture;
  let cuts = 0;
  hub.intercept = (request, response) => {
    if (!isStore(request) || cuts === 2) return false;
    cuts++;
    return cuts === 1
      ? cutAfter(response, weights.subarray(0, 100_000), { etag: '"store-object"' })
      : (response.destroy(), true);
  };
  const folder = await fetch(undefined, onlyWeights);
  assert.deepEqual(readFileSync(path.join(folder, "model.safetensors")), weights);
  const ranges = rangesOf(fixture);
  assert.deepEqual(ranges[0], [undefined, undefined]);
  const from = Number(/^bytes=(\d+)-$/.exec(ranges[1]?.[0] ?? "")?.[1]);
  assert.ok(from > 0 && from <= 100_000, String(from));
  assert.equal(ranges[1]?.[1], '"store-object"', "If-Range with the store's own validator");
});

test("a hub that stays away is given up, and what has arrived is kept for the next run", async (t) => {
  const fixture = await hubFixture(t);
  const { hub, fetch } = fixture;
  let first = true;
  hub.intercept = (request, response) => {
    if (!isStore(request)) return false;
    if (!first) return refuseWith(response, 503);
    first = false;
    return cutAfter(response, weights.subarray(0, 120_000));
  };
  await assert.rejects(
    fetch(undefined, { ...onlyWeights, retries: 2 }),
    failsWith(
      "network",
      /Expected all of model.safetensors but received status 503 .* after 3 tries;.*what has arrived is kept/,
    ),
  );
  assert.equal(hub.log.filter(isStore).length, 3, "one that moved forward, then two retries");
  const kept = statSync(partialFile(fixture)).size;
  assert.ok(kept > 0 && kept <= 120_000);
  hub.intercept = undefined;
  hub.log.length = 0;
  const totals: number[] = [];
  await fetch(undefined, { ...onlyWeights, onProgress: ({ received }) => totals.push(received) });
  assert.deepEqual(rangesOf(fixture), [[`bytes=${kept}-`, undefined]]);
  assert.equal(totals[0], kept);
  assert.equal(totals.at(-1), weights.length);
});

test("a small file is resumed with the hub's own validator", async (t) => {
  const { hub, fetch, repository } = await hubFixture(t);
  const partial = path.join(repository, "blobs", `${gitHash(config)}.incomplete`);
  mkdirSync(path.dirname(partial), { recursive: true });
  writeFileSync(partial, config.subarray(0, 5));
  const folder = await fetch(undefined, { choose: () => ["config.json"] });
  assert.deepEqual(readFileSync(path.join(folder, "config.json")), config);
  const got = hub.log.find(({ method, url }) => method === "GET" && url.endsWith("config.json"));
  assert.equal(got?.headers.range, "bytes=5-");
  assert.equal(got?.headers["if-range"], `"${gitHash(config)}"`);
});

test("partial files that are whole, too long, or refused by the server", async (t) => {
  const fixture = await hubFixture(t);
  const { fetch, requests } = fixture;
  writeFileSync(partialFile(fixture), weights);
  await fetch(undefined, onlyWeights);
  assert.deepEqual(
    requests().filter((request) => request.startsWith("GET /store")),
    [],
  );

  for (const answer of ["whole", "416", "elsewhere"]) {
    const other = await hubFixture(t);
    const partial = partialFile(other);
    writeFileSync(partial, answer === "whole" ? Buffer.alloc(400_000) : weights.subarray(0, 1000));
    other.hub.intercept = (request, response) => {
      if (!isStore(request) || request.headers.range === undefined) return false;
      if (answer === "416") return refuseWith(response, 416);
      response
        .writeHead(206, { "content-range": "bytes 7-299999/300000" })
        .end(weights.subarray(7));
      return true;
    };
    const folder = await other.fetch(undefined, onlyWeights);
    assert.deepEqual(readFileSync(path.join(folder, "model.safetensors")), weights, answer);
  }
});

test("a server that knows no ranges sends the file anew", async (t) => {
  const fixture = await hubFixture(t);
  writeFileSync(partialFile(fixture), Buffer.alloc(1000));
  fixture.hub.intercept = (request, response) =>
    isStore(request) && response.end(weights) !== undefined;
  const folder = await fixture.fetch(undefined, onlyWeights);
  assert.deepEqual(readFileSync(path.join(folder, "model.safetensors")), weights);
});

test("a file that changes between two tries starts again", async (t) => {
  const fixture = await hubFixture(t);
  const { hub, fetch, listed } = fixture;
  const changed = Buffer.from(weights).reverse();
  hub.intercept = (request, response) => {
    if (!isStore(request)) return false;
    hub.intercept = undefined;
    const files = { "model.safetensors": { bytes: changed, lfs: true } };
    hub.repositories.set("org/model", { ...model, files });
    return cutAfter(response, weights.subarray(0, 50_000));
  };
  const folder = await fetch(undefined, onlyWeights);
  assert.deepEqual(readFileSync(path.join(folder, "model.safetensors")), changed);
  assert.deepEqual(listed("blobs"), [sha256(changed)]);
});

test("429 waits as long as it is asked to, within bounds", async (t) => {
  const { hub, fetch, requests } = await hubFixture(t);
  const times: number[] = [];
  hub.intercept = (request, response) => {
    if (!request.url.startsWith("/api")) return false;
    times.push(performance.now());
    return times.length < 2 && refuseWith(response, 429, { "retry-after": "1" });
  };
  await fetch();
  assert.equal(times.length, 2);
  assert.ok(times[1]! - times[0]! >= 990);
  requests();
  hub.intercept = (_, response) => refuseWith(response, 429, { "retry-after": "3600" });
  await assert.rejects(
    fetch("hf://org/model@v1"),
    failsWith("network", /received status 429 .* \(it asks to wait 3600 s\)/),
  );
  assert.equal(requests().length, 1);
});

test("the forms in which a server asks to wait", () => {
  const now = Date.parse("Wed, 21 Oct 2015 07:28:00 GMT");
  assert.equal(requestedWait({ "retry-after": "3" }), 3000);
  assert.equal(requestedWait({ "retry-after": "Wed, 21 Oct 2015 07:28:05 GMT" }, now), 5000);
  assert.equal(requestedWait({ "retry-after": "Wed, 21 Oct 2015 07:27:00 GMT" }, now), 0);
  assert.equal(requestedWait({ ratelimit: '"api";r=0;t=53' }), 53_000);
  assert.equal(requestedWait({}), undefined);
});

test("a server that falls silent", async (t) => {
  const { hub, fetch } = await hubFixture(t);
  let silent = 0;
  hub.intercept = (request, response) => {
    if (!isStore(request) || silent++ > 0) return false;
    response.writeHead(200, { "content-length": weights.length });
    response.write(weights.subarray(0, 10));
    return true;
  };
  await fetch(undefined, { ...onlyWeights, idleTimeoutMs: 200 });
  assert.equal(silent, 2);
  hub.intercept = () => true;
  await assert.rejects(
    fetch("hf://org/model@v1", { idleTimeoutMs: 100, connectTimeoutMs: 100, retries: 1 }),
    failsWith("network", /no answer of 127.0.0.1:\d+ for 0.2 s after 2 tries/),
  );
});

test("a signal ends the download and keeps what has arrived", async (t) => {
  const fixture = await hubFixture(t);
  const stop = new AbortController();
  fixture.hub.intercept = (request, response) => {
    if (!isStore(request)) return false;
    response.writeHead(200, { "content-length": weights.length });
    response.write(weights.subarray(0, 90_000));
    return true;
  };
  const running = fixture.fetch(undefined, {
    ...onlyWeights,
    signal: stop.signal,
    onProgress: ({ received }) => received > 0 && stop.abort(new Error("stopped by the user")),
  });
  await assert.rejects(running, { message: "stopped by the user" });
  assert.ok(statSync(partialFile(fixture)).size > 0);
  assert.ok(fixture.listed(`snapshots/${commit}`).length === 0);
  const waiting = AbortSignal.timeout(50);
  fixture.hub.intercept = (_, response) => refuseWith(response, 503);
  await assert.rejects(
    fixture.fetch(undefined, { signal: waiting, backoffMs: 5000 }),
    { name: "TimeoutError" },
    "between two tries too",
  );
  fixture.hub.intercept = undefined;
  await fixture.fetch(undefined, onlyWeights);
});
