import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  failsWith,
  hubFixture,
  model,
  needed,
  config,
  weights,
  commit,
} from "../../test/support/hub-fixture.ts";
import { gitHash, refuseWith, sha256, someBytes } from "../../test/support/local-hub.ts";
import type { FetchProgress } from "./progress.ts";

const api = "GET /api/models/org/model/revision/main";

test("refusals name the cure and are not tried again", async (t) => {
  const { hub, fetch, requests, listed } = await hubFixture(t);
  const refusals: [number, Record<string, string>, string | false, string, RegExp][] = [
    [
      401,
      {},
      false,
      "token",
      /^Expected the model hf:\/\/org\/model but received 401; check the spelling; if it is private or gated, set HF_TOKEN\.$/,
    ],
    [
      401,
      { "x-error-message": "Invalid credentials" },
      "hf_old",
      "token",
      /accept the token for hf:\/\/org\/model but received 401 \("Invalid credentials"\); renew it, correct HF_TOKEN/,
    ],
    [
      403,
      { "x-error-code": "GatedRepo" },
      false,
      "gated",
      /accept its terms on http:\/\/[\d.:]+\/org\/model, then set HF_TOKEN/,
    ],
    [403, {}, "hf_fine", "token", /use a token with the right to read/],
    [
      404,
      {},
      "hf_fine",
      "not-found",
      /the model hf:\/\/org\/model but received 404; check the spelling; if it is private, use a token/,
    ],
    [400, {}, false, "protocol", /received 400; check HF_ENDPOINT/],
  ];
  for (const [status, headers, token, failure, message] of refusals) {
    hub.intercept = (_, response) => refuseWith(response, status, headers);
    await assert.rejects(fetch(undefined, { token }), failsWith(failure, message));
    assert.deepEqual(requests(), [api]);
  }
  assert.deepEqual(listed("."), []);
});

test("repositories, revisions, folders and files that do not exist", async (t) => {
  const { hub, fetch, requests } = await hubFixture(t);
  await assert.rejects(fetch("hf://org/modle"), failsWith("not-found", /check the spelling/));
  await assert.rejects(
    fetch("hf://org/model@v2"),
    failsWith("not-found", /the revision "v2" of org\/model but received 404 RevisionNotFound/),
  );
  await assert.rejects(
    fetch("hf://org/model/text encodr"),
    failsWith("not-found", /the folder "text encodr" .* Did you mean "text encoder"\?/),
  );
  await assert.rejects(
    fetch(undefined, { choose: () => [] }),
    failsWith("not-found", /at least one file of a model in hf:\/\/org\/model but received none/),
  );
  await assert.rejects(fetch(undefined, { choose: () => ["config.jsn"] }), {
    name: "RangeError",
    message: /received "config.jsn"; Did you mean "config.json"\?/,
  });
  await assert.rejects(
    fetch("org/model"),
    failsWith("reference", /received the path "org\/model"/),
  );
  requests();
  hub.intercept = (request, response) =>
    request.url.includes("/resolve/") &&
    refuseWith(response, 404, { "x-error-code": "EntryNotFound" });
  await assert.rejects(
    fetch(undefined, { choose: () => ["config.json"] }),
    failsWith("not-found", /Expected config.json in hf:\/\/org\/model but received 404/),
  );
});

test("answers that a hub does not give", async (t) => {
  const { hub, fetch } = await hubFixture(t);
  const page = "<html>Sign in to the guest network</html>";
  hub.intercept = (_, response) => response.end(page) !== undefined;
  await assert.rejects(
    fetch(),
    failsWith("protocol", /received "<html>Sign in.*check HF_ENDPOINT/),
  );
  hub.intercept = (_, response) => response.end("\x1b[2J\n{") !== undefined;
  await assert.rejects(fetch(), failsWith("protocol", /received "\\u001b\[2J\\n\{"; check/));
  hub.intercept = (request, response) =>
    request.method === "HEAD" && refuseWith(response, 200, { etag: '"a"' });
  await assert.rejects(fetch(), failsWith("protocol", /received X-Repo-Commit missing/));
  hub.intercept = (_, response) => refuseWith(response, 302, { location: "/again" });
  await assert.rejects(fetch(), failsWith("protocol", /at most 10 redirects/));
});

test("a repository that would write outside its folder is refused", async (t) => {
  const { hub, fetch, listed } = await hubFixture(t);
  for (const name of ["../../x", "/etc/x", "a/../../x", "C:\\x", "\x1b[2Ja/../x"]) {
    hub.repositories.set("org/model", {
      ...model,
      files: { ...model.files, [name]: { bytes: config, lfs: false } },
    });
    await assert.rejects(
      fetch(undefined, { choose: (files) => files.map((file) => file.path) }),
      // oxlint-disable-next-line no-control-regex
      failsWith("protocol", /^Expected files inside the repository [^\x00-\x1f]*do not trust/),
    );
  }
  assert.deepEqual(listed("."), []);
});

test("only the chosen files come, in huggingface_hub's layout", async (t) => {
  const { repository, fetch, requests, listed } = await hubFixture(t);
  const folder = await fetch();
  assert.equal(folder, path.join(repository, "snapshots", commit));
  assert.deepEqual(readFileSync(path.join(folder, "model.safetensors")), weights);
  assert.deepEqual(readFileSync(path.join(folder, "config.json")), config);
  assert.deepEqual(listed("."), [
    "blobs",
    ...[sha256(weights), gitHash(config)].map((etag) => `blobs/${etag}`).sort(),
    "refs",
    "refs/main",
    "snapshots",
    `snapshots/${commit}`,
    `snapshots/${commit}/config.json`,
    `snapshots/${commit}/model.safetensors`,
    "trees",
    `trees/${commit}.json`,
  ]);
  assert.equal(readFileSync(path.join(repository, "refs/main"), "utf8"), commit);
  const link = readlinkSync(path.join(folder, "model.safetensors"));
  assert.equal(link, path.join("../../blobs", sha256(weights)));
  assert.equal(requests().filter((request) => request === api).length, 1);

  assert.equal(await fetch(), folder);
  assert.deepEqual(requests(), [api], "a branch takes one request");
  assert.equal(await fetch(`hf://org/model@${commit}`), folder);
  assert.deepEqual(requests(), [], "a commit takes none");

  const more = await fetch(undefined, { choose: () => [...needed, "pytorch_model.bin"] });
  assert.equal(more, folder);
  const asked = requests().filter((request) => request.includes("/resolve/"));
  assert.deepEqual(
    new Set(asked.map((request) => path.basename(request))),
    new Set(["pytorch_model.bin"]),
  );
});

test("the model of a subfolder", async (t) => {
  const { fetch, repository } = await hubFixture(t);
  let seen: unknown;
  const folder = await fetch("hf://org/model@refs/pr/1/text encoder", {
    choose: (files) => {
      seen = files;
      return ["vocab.txt"];
    },
  });
  assert.deepEqual(seen, [{ path: "vocab.txt", size: 4 }]);
  assert.equal(folder, path.join(repository, "snapshots", commit, "text encoder"));
  assert.equal(readFileSync(path.join(folder, "vocab.txt"), "utf8"), "a\nb\n");
  assert.equal(readFileSync(path.join(repository, "refs/refs/pr/1"), "utf8"), commit);
});

test("a branch that has moved on: what stayed the same is not fetched again", async (t) => {
  const { hub, fetch, requests, repository } = await hubFixture(t);
  await fetch();
  const next = "f".repeat(40);
  const bytes = Buffer.from("{}");
  const files = { ...model.files, "config.json": { bytes, lfs: false } };
  hub.repositories.set("org/model", { ...model, commit: next, files });
  requests();
  const folder = await fetch();
  assert.equal(path.basename(folder), next);
  assert.deepEqual(readFileSync(path.join(folder, "config.json")), bytes);
  assert.deepEqual(readFileSync(path.join(folder, "model.safetensors")), weights);
  assert.deepEqual(
    requests().filter((request) => request.startsWith("GET /store")),
    [],
  );
  assert.equal(readFileSync(path.join(repository, "refs/main"), "utf8"), next);
  assert.equal(await fetch(`hf://org/model@${commit}`), path.join(repository, "snapshots", commit));
});

test("the token goes to the hub and nowhere else, along relative redirects too", async (t) => {
  const { hub, fetch } = await hubFixture(t);
  hub.intercept = (request, response) => {
    if (request.server === "store" || request.url.includes("moved=1")) return false;
    const mark = request.url.includes("?") ? "&" : "?";
    return refuseWith(response, 307, { location: `${request.url}${mark}moved=1` });
  };
  await fetch(undefined, { token: "hf_secret" });
  const sent = (server: string) =>
    hub.log
      .filter((request) => request.server === server)
      .map(({ headers }) => headers.authorization);
  assert.ok(sent("hub").length >= 10);
  assert.deepEqual(new Set(sent("hub")), new Set(["Bearer hf_secret"]));
  assert.deepEqual(sent("store"), [undefined]);
});

test("where links are not allowed the snapshot has the files themselves", async (t) => {
  const { fetch, listed, cache, requests } = await hubFixture(t);
  const environment = { HOME: cache, HF_HUB_DISABLE_SYMLINKS: "1" };
  const folder = await fetch(undefined, { environment });
  assert.ok(lstatSync(path.join(folder, "model.safetensors")).isFile());
  assert.deepEqual(readFileSync(path.join(folder, "model.safetensors")), weights);
  assert.deepEqual(listed("blobs"), [], "moved, not doubled");
  requests();
  await fetch(undefined, { environment });
  assert.deepEqual(requests(), [api]);
  // A blob of a cache that links is copied: another snapshot may show it.
  const linked = await hubFixture(t);
  await linked.fetch();
  const next = { ...model, commit: "e".repeat(40) };
  linked.hub.repositories.set("org/model", next);
  const copied = await linked.fetch(undefined, { environment });
  assert.ok(lstatSync(path.join(copied, "model.safetensors")).isFile());
  assert.equal(linked.listed("blobs").length, 2);
});

test("a cached file that was cut short is fetched again", async (t) => {
  const { fetch, repository } = await hubFixture(t);
  const folder = await fetch();
  writeFileSync(path.join(repository, "blobs", sha256(weights)), "short");
  assert.equal(await fetch(), folder);
  assert.deepEqual(readFileSync(path.join(folder, "model.safetensors")), weights);
});

test("progress counts bytes and files, and nothing more than four files at a time", async (t) => {
  const { hub, fetch } = await hubFixture(t);
  const files = Object.fromEntries(
    Array.from({ length: 9 }, (_, i) => [`${i}.bin`, { bytes: someBytes(5000 + i, i), lfs: true }]),
  );
  hub.repositories.set("org/model", { ...model, files });
  let open = 0;
  let most = 0;
  hub.intercept = async (request) => {
    if (request.server !== "store") return false;
    most = Math.max(most, ++open);
    await new Promise((resolve) => setTimeout(resolve, 10));
    open--;
    return false;
  };
  const seen: FetchProgress[] = [];
  await fetch(undefined, {
    choose: (found) => found.map((file) => file.path),
    onProgress: (progress) => seen.push(progress),
  });
  assert.ok(most > 1 && most <= 4, String(most));
  const total = Object.values(files).reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.ok(seen.every((progress) => progress.files === 9 && progress.allTotal === total));
  const last = seen.at(-1);
  assert.deepEqual([last?.filesDone, last?.allReceived], [9, total]);
  seen.length = 0;
  await fetch(undefined, {
    choose: (found) => found.map((file) => file.path),
    onProgress: (progress) => seen.push(progress),
  });
  assert.deepEqual(seen, []);
});

test("a disk with too little space is told of before anything is fetched", async (t) => {
  const { hub, fetch, warnings, requests } = await hubFixture(t);
  hub.intercept = (request, response) => {
    if (!request.url.startsWith("/api")) return refuseWith(response, 403);
    const siblings = [{ rfilename: "config.json", size: 2 ** 52 }];
    return response.end(JSON.stringify({ sha: commit, siblings })) !== undefined;
  };
  await assert.rejects(fetch(), failsWith("token", /403/));
  assert.match(
    warnings[0] ?? "",
    /The files to fetch take 4294967296 MiB, but .* has \d+ MiB free/,
  );
  assert.equal(requests().length, 2);
});

test("a cache folder that cannot be written", async (t) => {
  const { fetch, cache } = await hubFixture(t);
  const file = path.join(cache, "file");
  writeFileSync(file, "");
  await assert.rejects(
    fetch(undefined, { cacheFolder: path.join(file, "hub") }),
    failsWith("disk", /Expected to write the cache folder .*file.hub but received .*HF_HUB_CACHE/),
  );
});

test(
  "a full disk: what has arrived is kept",
  { skip: process.platform === "win32" && "needs the limit of a shell" },
  async (t) => {
    const { hub, fetch, cache, repository } = await hubFixture(t);
    const script = `
      import { fetchModel } from ${JSON.stringify(new URL("./fetch-model.js", import.meta.url).href)};
      const choose = () => ["model.safetensors"];
      const options = { choose, endpoint: "${hub.endpoint}", cacheFolder: ${JSON.stringify(cache)} };
      await fetchModel("hf://org/model", options).then(() => console.log("no error"),
        (error) => console.log(error.failure, error.message));`;
    // A limit on the size of files stands for the disk: 100 KiB of 300.
    const limited = ["-c", 'ulimit -f 200; exec "$0" --input-type=module -e "$1"'];
    const child = spawn("sh", [...limited, process.execPath, script], { env: {} });
    let output = "";
    child.stdout.on("data", (chunk) => (output += String(chunk)));
    await once(child, "close");
    assert.match(output, /^disk Expected to write the cache folder .*free some space/);
    const partial = path.join(repository, "blobs", `${sha256(weights)}.incomplete`);
    assert.ok(lstatSync(partial).size > 0);
    assert.ok(!existsSync(path.join(repository, "snapshots", commit, "model.safetensors")));
    await fetch();
    const ranges = hub.log.map(({ headers }) => headers.range).filter(Boolean);
    assert.equal(ranges[0]?.startsWith("bytes="), true);
  },
);
