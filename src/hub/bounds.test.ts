/** What a hub that answers without end, or announces what cannot be, costs. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { commit, failsWith, hubFixture } from "../../test/support/hub-fixture.ts";
import type { LoggedRequest } from "../../test/support/local-hub.ts";

const isListing = ({ url }: LoggedRequest): boolean => url.includes("/api/models/");

test("a list of files without end is given up at its bound", async (t) => {
  const { hub, fetch } = await hubFixture(t);
  let sent = 0;
  hub.intercept = async (request, response) => {
    if (!isListing(request)) return false;
    const part = Buffer.alloc(1 << 20, '{"rfilename": "model.safetensors"},');
    response.write(`{"sha": "${commit}", "siblings": [`);
    while (!response.closed && sent < 1 << 30) {
      sent += part.length;
      if (!response.write(part))
        await Promise.race([once(response, "drain"), once(response, "close")]);
    }
    return true;
  };
  await assert.rejects(fetch(), failsWith("protocol", /received more than 67108864 bytes/));
  assert.ok(sent < 1 << 28, `${sent} bytes were taken`);
});

test("a list that announces too many bytes is not read", async (t) => {
  const { hub, fetch } = await hubFixture(t);
  hub.intercept = (request, response) => {
    if (!isListing(request)) return false;
    response.writeHead(200, { "content-length": 2 ** 40 }).write("{");
    return true;
  };
  await assert.rejects(fetch(), failsWith("protocol", /received more than 67108864 bytes/));
});

test("lists of files that are none", async (t) => {
  const { hub, fetch } = await hubFixture(t);
  const file = { rfilename: "config.json", size: 3, blobId: "0" };
  const siblings: [unknown, RegExp][] = [
    [[null], /a file without a name/],
    [[{ ...file, size: -1 }], /a size of -1 for "config.json"/],
    [[{ ...file, size: "3" }], /a size of "3" for/],
    [[{ ...file, lfs: { sha256: "0", size: 1e300 } }], /a size of 1e\+300 for/],
    [[{ ...file, rfilename: "../x" }], /inside the repository/],
  ];
  for (const [list, message] of siblings) {
    hub.intercept = (request, response) =>
      isListing(request) &&
      response.end(JSON.stringify({ sha: commit, siblings: list })) !== undefined;
    await assert.rejects(fetch(), failsWith("protocol", message));
  }
  hub.intercept = (request, response) =>
    isListing(request) && response.end("[".repeat(1_000_000)) !== undefined;
  await assert.rejects(fetch(), failsWith("protocol", /answer of a hub/));
});

test("a file of another size than the list says is not fetched", async (t) => {
  const { hub, fetch, listed } = await hubFixture(t);
  hub.intercept = (request, response) => {
    if (request.method !== "HEAD") return false;
    const headers = { etag: '"abc"', "x-repo-commit": commit, "x-linked-size": 10 ** 14 };
    response.writeHead(200, headers).end();
    return true;
  };
  await assert.rejects(
    fetch(undefined, { choose: () => ["model.safetensors"] }),
    failsWith("checksum", /300000 bytes, as the list of files says, .* received 100000000000000/),
  );
  assert.deepEqual(listed("blobs"), []);
  assert.ok(hub.log.every(({ server }) => server === "hub"));
});
