/** Setup without a network and without a compiler run: what it finds, refuses and says. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import * as fs from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { deflateRawSync } from "node:zlib";
import { describe, libraryName, older } from "../setup/describe.mjs";
import { withLock } from "../setup/lock.mjs";
import { unzip } from "../setup/unzip.mjs";
import { cpuRequirements, pruneWheel } from "../setup/wheel.mjs";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** @param {(folder: string) => Promise<void>} body */
async function inFolder(body) {
  const folder = fs.mkdtempSync(path.join(tmpdir(), "limn-setup-"));
  try {
    await body(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Runs a piece of code beside setup's modules; `LIMN_HOME` is a folder of its own.
 * @param {string} code
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<{code: number | null, out: string, err: string}>}
 */
function runNode(code, env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
      cwd: path.join(root, "setup"),
      env: { ...process.env, LIBTORCH: "", LIMN_LIBTORCH: "", ...env },
    });
    const written = { out: "", err: "" };
    child.stdout.on("data", (chunk) => (written.out += String(chunk)));
    child.stderr.on("data", (chunk) => (written.err += String(chunk)));
    child.on("close", (exit) => resolve({ code: exit, ...written }));
  });
}

const FIND = `
  const { makeContext } = await import("./context.mjs");
  const { findLibtorch } = await import("./libtorch.mjs");
  try {
    const { source, path, version } = await findLibtorch(makeContext());
    console.log(JSON.stringify({ source, path, version }));
  } catch (error) {
    console.log(error.message);
    process.exitCode = 1;
  }`;

/**
 * A folder that looks like a libtorch: headers as setup reads them, libraries that are none.
 * @param {string} folder
 */
function fakeLibtorch(folder, { version = "2.9.1", standard = "201703L", abi = true } = {}) {
  const [major, minor, patch] = version.split(".");
  const write = (/** @type {string} */ name, /** @type {string} */ text) => {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  };
  write("include/ATen/ATen.h", `#if !defined(_MSC_VER) && __cplusplus < ${standard}\n#endif\n`);
  write(
    "include/torch/csrc/api/include/torch/version.h",
    `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n` +
      `#define TORCH_VERSION_PATCH ${patch}\n`,
  );
  write(`lib/${libraryName("torch_cpu")}`, "not a library");
  const constructor = "_ZN3c105ErrorC1ENS_14SourceLocationE";
  write(`lib/${libraryName("c10")}`, constructor + (abi ? "NSt7__cxx1112basic_string" : "Ss"));
}

/**
 * A zip archive of a few small files.
 * @param {{name: string, text: string, mode?: number, stored?: boolean}[]} files
 */
function makeZip(files) {
  const locals = [];
  const central = [];
  let offset = 0;
  for (const { name, text, mode = 0o100644, stored = false } of files) {
    const data = Buffer.from(text);
    const body = stored ? data : deflateRawSync(data);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(stored ? 0 : 8, 10);
    entry.writeUInt32LE(body.length, 20);
    entry.writeUInt32LE(data.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE((mode << 16) >>> 0, 38);
    entry.writeUInt32LE(offset, 42);
    locals.push(local, Buffer.from(name), body);
    central.push(entry, Buffer.from(name));
    offset += 30 + name.length + body.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

/** @param {string} folder */
function zipOf(folder) {
  const names = fs.readdirSync(folder, { recursive: true }).map(String);
  return makeZip(
    names
      .filter((name) => fs.statSync(path.join(folder, name)).isFile())
      .map((name) => ({
        name: `libtorch/${name}`,
        text: fs.readFileSync(path.join(folder, name), "utf8"),
      })),
  );
}

test("packages that node_modules links to stay", async () => {
  await inFolder(async (folder) => {
    const theirs = path.join(folder, "theirs", "package");
    fs.mkdirSync(theirs, { recursive: true });
    fs.mkdirSync(path.join(folder, "limn"));
    fs.symlinkSync("../theirs", path.join(folder, "limn", "node_modules"));
    const context = { root: path.join(folder, "limn"), state: folder };
    const { code, err } = await runNode(
      `import { installPackages } from "./packages.mjs";
       await installPackages(${JSON.stringify(context)});`,
      {},
    );
    assert.notEqual(code, 0);
    assert.match(
      err,
      /received a link to \.\.\/theirs with other packages, which npm would remove/,
    );
    assert.ok(fs.existsSync(theirs));
  });
});

test("LIMN_LIBTORCH that means nothing is refused with what it may be", async () => {
  await inFolder(async (folder) => {
    const env = { LIMN_HOME: folder, LIMN_LIBTORCH: "sytem" };
    const { code, out } = await runNode(FIND, env);
    assert.equal(code, 1);
    assert.match(out, /^Expected auto, system, python, apt, pip, zip, a folder, .* "sytem"/);
  });
});

test("$LIBTORCH that holds no libtorch is an error, not a reason to look elsewhere", async () => {
  await inFolder(async (folder) => {
    const { code, out } = await runNode(FIND, { LIMN_HOME: folder, LIBTORCH: folder });
    assert.equal(code, 1);
    assert.match(out, /^Expected \$LIBTORCH to be a folder with lib\/ and include\/ but .*no lib/);
  });
});

test("$LIBTORCH comes before everything else", async () => {
  await inFolder(async (folder) => {
    const own = path.join(folder, "own");
    fakeLibtorch(own);
    const { out } = await runNode(FIND, { LIMN_HOME: folder, LIBTORCH: own });
    assert.deepEqual(JSON.parse(out), { source: "LIBTORCH", path: own, version: "2.9.1" });
  });
});

test("headers tell version, C++ standard and the string's binary interface", async () => {
  await inFolder(async (folder) => {
    fakeLibtorch(folder, { version: "2.15.0", standard: "202002L", abi: false });
    const at = { path: folder, lib: `${folder}/lib`, include: `${folder}/include` };
    const found = await describe("test", at);
    assert.ok(!("problem" in found));
    const { version, standard, cxx11Abi, cuda, blas } = found;
    assert.deepEqual(
      { version, standard, cxx11Abi, cuda, blas },
      { version: "2.15.0", standard: 20, cxx11Abi: false, cuda: false, blas: "built in" },
    );
    fakeLibtorch(folder, { version: "1.12.1" });
    assert.match(JSON.stringify(await describe("test", at)), /has 1\.12\.1; 1\.13 is the oldest/);
    fs.rmSync(path.join(folder, "include/ATen"), { recursive: true });
    assert.match(JSON.stringify(await describe("test", at)), /headers are missing/);
  });
  assert.equal(older("1.13.0", [1, 13]), false);
  assert.equal(older("2.0.1+cu118", [1, 13]), false);
  assert.equal(older("1.8.1", [1, 13]), true);
});

test("setup and the library count the same cores", async () => {
  const { usableCores } = await import("../setup/cores.mjs");
  const library = await import(path.join(root, "dist", "src", "files", "cores.js"));
  const cgroup = "sys/fs/cgroup";
  /** @type {[number | undefined, Record<string, string>][]} */
  const machines = [
    [undefined, {}],
    [1, { "proc/self/cgroup": "0::/\n", [`${cgroup}/cpu.max`]: "25000 100000\n" }],
    [undefined, { "proc/self/cgroup": "0::/\n", [`${cgroup}/cpu.max`]: "max 100000\n" }],
    [
      1,
      {
        "proc/self/cgroup": "0::/a/b\n",
        [`${cgroup}/a/b/cpu.max`]: "max 100000\n",
        [`${cgroup}/a/cpu.max`]: "50000 100000\n",
        [`${cgroup}/cpu.max`]: "800000 100000\n",
      },
    ],
    [
      1,
      {
        "proc/self/cgroup": "5:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n",
        [`${cgroup}/cpu,cpuacct/docker/x/cpu.cfs_quota_us`]: "90000\n",
        [`${cgroup}/cpu,cpuacct/docker/x/cpu.cfs_period_us`]: "100000\n",
      },
    ],
    [
      undefined,
      {
        "proc/self/cgroup": "5:cpu:/\n",
        [`${cgroup}/cpu/cpu.cfs_quota_us`]: "-1\n",
        [`${cgroup}/cpu/cpu.cfs_period_us`]: "100000\n",
      },
    ],
  ];
  for (const [cores = availableParallelism(), files] of machines) {
    await inFolder(async (folder) => {
      for (const [name, text] of Object.entries(files)) {
        fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
        fs.writeFileSync(path.join(folder, name), text);
      }
      assert.equal(usableCores(folder), cores);
      assert.equal(library.usableCores(folder), cores);
    });
  }
  assert.equal(usableCores(), library.usableCores());
});

test("a zip from a URL is fetched, unpacked and found again without the network", async () => {
  await inFolder(async (folder) => {
    fakeLibtorch(path.join(folder, "made"));
    const zip = zipOf(path.join(folder, "made"));
    let requests = 0;
    const server = createServer((request, response) => {
      requests++;
      if (request.url === "/libtorch.zip") response.end(zip);
      else response.writeHead(404).end();
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    try {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      const home = path.join(folder, "home");
      const url = `http://127.0.0.1:${port}`;
      const find = (/** @type {string} */ wish) =>
        runNode(FIND, { LIMN_HOME: home, LIMN_LIBTORCH: wish });
      const sha256 = createHash("sha256").update(zip).digest("hex");
      for (const [end, received] of [
        ["", "nothing"],
        ["#sha256=12", "#sha256=12"],
      ]) {
        const unknown = await find(`${url}/libtorch.zip${end}`);
        assert.match(unknown.out, /^Expected #sha256=<64 hexadecimal digits> after http:/);
        assert.ok(unknown.out.includes(`for LIMN_LIBTORCH but received ${received};`), unknown.out);
      }
      assert.equal(requests, 0);
      const wrong = await find(`${url}/other.zip#sha256=${sha256}`);
      assert.match(wrong.out, /other\.zip answers 404/);
      const altered = await find(`${url}/libtorch.zip#sha256=${"0".repeat(64)}`);
      assert.match(altered.out, /^Expected the sha256 0{64} for http.* but received [0-9a-f]{64};/);
      assert.ok(!fs.existsSync(path.join(home, "libtorch-zip")));
      const right = await find(`${url}/libtorch.zip#sha256=${sha256}`);
      assert.equal(JSON.parse(right.out).version, "2.9.1");
      assert.equal(right.err.split("\n").filter(Boolean).length, 1, right.err);
      const again = await runNode(FIND, { LIMN_HOME: home, LIMN_LIBTORCH: "zip" });
      assert.equal(JSON.parse(again.out).source, "zip");
      assert.equal(requests, 3);
    } finally {
      server.close();
    }
  });
});

test("downloads go through the proxy that the environment names, and past it where it says so", async () => {
  const target = createServer((_request, response) => response.end("here"));
  /** @type {string[]} */
  const log = [];
  const proxy = createServer((request, response) => {
    const words = `Basic ${Buffer.from("user:secret").toString("base64")}`;
    log.push(`${request.method} ${request.url}`);
    if (request.headers["proxy-authorization"] === words) response.end("through the proxy");
    else response.writeHead(407).end();
  });
  proxy.on("connect", (request, socket) => {
    log.push(`CONNECT ${request.url}`);
    socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
  });
  const listen = async (/** @type {import("node:http").Server} */ server) => {
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    return `127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  };
  try {
    const [here, through] = [await listen(target), await listen(proxy)];
    const get = async (/** @type {string} */ url, /** @type {NodeJS.ProcessEnv} */ env) => {
      const code = `
        const { request } = await import("./download.mjs");
        try { console.log(await (await request(${JSON.stringify(url)})).text()); }
        catch (error) { console.log(error.message); }`;
      const none = Object.fromEntries(
        ["http_proxy", "https_proxy", "no_proxy"].flatMap((name) => [
          [name, ""],
          [name.toUpperCase(), ""],
        ]),
      );
      return (await runNode(code, { ...none, ...env })).out.trim();
    };
    const url = `http://${here}/file`;
    assert.equal(await get(url, {}), "here");
    assert.deepEqual(log, []);
    assert.equal(
      await get(url, { HTTP_PROXY: `http://user:secret@${through}` }),
      "through the proxy",
    );
    assert.deepEqual(log.splice(0), [`GET ${url}`]);
    assert.equal(await get(url, { HTTP_PROXY: through, NO_PROXY: "127.0.0.1" }), "here");
    assert.deepEqual(log, []);
    assert.match(
      await get(url, { http_proxy: through }),
      /cannot be reached: .*\(407\); put user:password@/,
    );
    assert.match(
      await get("https://libtorch.example/a.zip", { HTTPS_PROXY: `http://${through}` }),
      /^https:\/\/libtorch\.example\/a\.zip cannot be reached: .*\(407\).*; put user:password@/,
    );
    assert.equal(log.at(-1), "CONNECT libtorch.example:443");
    assert.match(
      await get(url, { HTTP_PROXY: "socks5://user:secret@there" }),
      /^Expected http:\/\/host:port of an HTTP proxy for http_proxy, HTTP_PROXY but received another/,
    );
  } finally {
    target.close();
    proxy.close();
  }
});

test("a cut zip is refused; links and executables are kept; nothing leaves the folder", async () => {
  await inFolder(async (folder) => {
    const file = path.join(folder, "a.zip");
    const entries = [
      { name: "lib/real.so.1", text: "x".repeat(10_000), mode: 0o100755 },
      { name: "lib/real.so", text: "real.so.1", mode: 0o120777, stored: true },
      { name: "empty.txt", text: "", stored: true },
    ];
    fs.writeFileSync(file, makeZip(entries));
    assert.equal(await unzip(file, path.join(folder, "out")), 3);
    assert.equal(fs.readFileSync(path.join(folder, "out/lib/real.so"), "utf8").length, 10_000);
    assert.equal(fs.readlinkSync(path.join(folder, "out/lib/real.so")), "real.so.1");
    fs.writeFileSync(file, makeZip(entries).subarray(0, 100));
    await assert.rejects(unzip(file, path.join(folder, "out")), /is not a whole zip archive/);
    fs.writeFileSync(file, makeZip([{ name: "../evil", text: "x" }]));
    await assert.rejects(unzip(file, path.join(folder, "out")), /an entry outside its folder/);
  });
});

test("without a GPU only the two CUDA libraries that libtorch_cpu links to are fetched", () => {
  const linux = '; platform_system == "Linux"';
  assert.deepEqual(
    cpuRequirements([
      `cuda-toolkit[cublas,cudart,cufft,cupti,nvtx]==13.2.2${linux}`,
      `nvidia-cudnn-cu13==9.26.0.51${linux}`,
    ]),
    [`cuda-toolkit[cudart,cupti]==13.2.2${linux}`],
  );
  assert.deepEqual(
    cpuRequirements([
      "nvidia-cublas-cu12==12.4.5.8",
      "nvidia-cuda-runtime-cu12==12.4.127",
      "nvidia-cuda-cupti-cu12==12.4.127",
    ]),
    ["nvidia-cuda-runtime-cu12==12.4.127", "nvidia-cuda-cupti-cu12==12.4.127"],
  );
});

test("two setups take turns, and a lock whose process is gone is taken over", async () => {
  await inFolder(async (folder) => {
    /** @type {string[]} */
    const order = [];
    const work = (/** @type {string} */ name) => async () => {
      order.push(`${name} starts`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      order.push(`${name} ends`);
    };
    await Promise.all([withLock(folder, work("a")), withLock(folder, work("b"))]);
    assert.deepEqual(order, ["a starts", "a ends", "b starts", "b ends"]);
    const { hostname } = await import("node:os");
    fs.writeFileSync(path.join(folder, "setup.lock"), `999999999 ${hostname()}`);
    await withLock(folder, work("c"));
    assert.equal(order.at(-1), "c ends");
    assert.ok(!fs.existsSync(path.join(folder, "setup.lock")));
  });
});

test("no compiler: one line with the command that installs one", async () => {
  const code = `
    const { findCompiler } = await import("./compiler.mjs");
    try { await findCompiler(); } catch (error) { console.log(error.message); }`;
  const { out } = await runNode(code, { CXX: "no-such-compiler" });
  assert.match(out, /^Expected a C\+\+ compiler but CXX=no-such-compiler did not run; .+\n$/);
});

test("an old Node is told so before anything else is loaded", async () => {
  const module = pathToFileURL(path.join(root, "setup", "node-version.mjs")).href;
  const code = `const { checkNode } = await import("${module}"); checkNode("18.20.4");`;
  const { code: exit, err } = await runNode(code, {});
  assert.equal(exit, 1);
  assert.match(err, /^Expected Node >= 20\.19 but this is 18\.20\.4; install/);
});

test("an engine that is missing, stale or broken says so with the command that helps", async () => {
  await inFolder(async (folder) => {
    const load = path.join(root, "dist", "src", "torch", "binding.js");
    const code = `
      const { loadAddon } = await import(${JSON.stringify(pathToFileURL(load).href)});
      try { loadAddon(); } catch (error) { console.log(error.code + " " + error.message); }`;
    const missing = await runNode(code, { LIMN_HOME: folder, LIMN_ADDON: "" });
    assert.match(missing.out, /^LIMN_ENGINE Expected limn's engine .* run: npm run setup\n$/);
    const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
    const state = path.join(folder, `v${version}`);
    fs.mkdirSync(state, { recursive: true });
    fs.writeFileSync(path.join(state, "limn.node"), "");
    const record = {
      addon: "limn.node",
      libtorch: { lib: folder, size: 1 },
      node: { platform: process.platform, arch: process.arch },
      sources: "other",
    };
    fs.writeFileSync(path.join(state, "engine.json"), JSON.stringify(record));
    const stale = await runNode(code, { LIMN_HOME: folder, LIMN_ADDON: "" });
    assert.match(stale.out, /up to date but its sources in native\/ have changed .* run: npm run/);
    const broken = await runNode(code, { LIMN_ADDON: path.join(state, "limn.node") });
    assert.match(broken.out, /^LIMN_ENGINE Expected the engine .* to load but received: /);
  });
});

test("of pip's wheel the libraries and headers stay, CUDA's for a GPU only", () =>
  inFolder(async (folder) => {
    const files = [
      ...["torch/lib/libtorch_cpu.so", "torch/lib/libgomp.so.1", "torch/lib/libtorch_cuda.so"],
      ...["torch/lib/libc10_cuda.so", "torch/include/torch/script.h", "torch/nn/functional.py"],
      ...[
        "nvidia/cu13/lib/libcudart.so.13",
        "torchgen/model.py",
        "torch-2.15.0.dist-info/METADATA",
      ],
    ];
    const left = (/** @type {boolean} */ gpu) => {
      for (const file of files) {
        fs.mkdirSync(path.join(folder, path.dirname(file)), { recursive: true });
        fs.writeFileSync(path.join(folder, file), "");
      }
      pruneWheel(folder, gpu);
      return files.filter((file) => fs.existsSync(path.join(folder, file)));
    };
    const always = (/** @type {string} */ file) => !/cuda\.so|\.py$|METADATA/.test(file);
    assert.deepEqual(left(false), files.filter(always));
    assert.deepEqual(
      left(true),
      files.filter((file) => always(file) || /cuda\.so/.test(file)),
    );
    assert.deepEqual(fs.readdirSync(folder).sort(), ["nvidia", "torch"]);
  }));
