import assert from "node:assert/strict";
import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import {
  backward,
  customGradient,
  devices,
  libtorchConfig,
  manualSeed,
  matrixProductRate,
  memory,
  ones,
  randn,
  randomState,
  resolveDevice,
  scope,
  setRandomState,
  setThreadCount,
  threadCount,
  type Tensor,
} from "./index.ts";

const torch = JSON.stringify(new URL("./index.js", import.meta.url).href);

/** Runs a module in a process of its own; `torch` is in its scope. */
function runScript(body: string): SpawnSyncReturns<string> {
  const code = `const torch = await import(${torch});\n${body}`;
  return spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    encoding: "utf8",
    timeout: 60_000,
  });
}

describe("random state", () => {
  it("repeats the numbers of a seed, and goes on from a saved state", () => {
    const draw = (): unknown => [randn([3]).data(), ones([4]).bernoulli_(0.5).data()];
    manualSeed(12);
    const first = draw();
    const state = randomState();
    const second = draw();
    setRandomState(state);
    assert.deepEqual(draw(), second);
    manualSeed(12);
    assert.deepEqual(draw(), first);
    assert.notDeepEqual(first, second);
    assert.equal(state.dtype, "uint8");
  });
  it("refuses what is not a random state", () => {
    assert.throws(() => setRandomState(ones([3])), /RNG state|ByteTensor|uint8|size/i);
  });
});

describe("runtime", () => {
  it("refuses a bad thread count, and keeps a good one", () => {
    for (const count of [0, -1, 1.5, NaN]) {
      assert.throws(() => setThreadCount(count), /from 1 to 1024 for threads but received/);
    }
    const before = threadCount();
    setThreadCount(2);
    assert.equal(threadCount(), 2);
    setThreadCount(before);
  });
  it("keeps freed memory where the C library is glibc", () => {
    const { stdout } = runScript("console.log(torch.keepFreedMemory());");
    const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
    assert.equal(stdout.trim(), String(header.glibcVersionRuntime !== undefined));
  });
  it("reports devices, build and speed", () => {
    assert.equal(devices()[0], "cpu");
    assert.match(libtorchConfig(), /PyTorch built with[^]*at::get_num_threads/);
    assert.ok(matrixProductRate(64, 2) > 0.01);
  });
});

describe("devices", () => {
  it("that are not there are refused under the caller's name for them", () => {
    assert.throws(
      () => resolveDevice("cuda:9", "--device"),
      (error: Error) =>
        error.constructor === RangeError &&
        /^Expected one of auto, cpu\b.* for --device but received "cuda:9"; limn doctor/.test(
          error.message,
        ),
    );
    assert.throws(() => resolveDevice("gpu"), /for device but received "gpu"/);
  });
  it("are named by auto and cuda: the first of their kind", () => {
    const found = devices();
    assert.equal(found[0], "cpu");
    assert.equal(resolveDevice("cpu"), "cpu");
    const gpu = found.find((device) => device.startsWith("cuda"));
    assert.equal(resolveDevice("auto"), gpu ?? "cpu");
    if (gpu) assert.equal(resolveDevice("cuda"), "cuda:0");
  });
});

describe("memory stays flat", () => {
  it("by the collector for what no scope frees, which does not run for what a scope does", () => {
    const { stdout, stderr } = runScript(`
      const { PerformanceObserver, constants } = await import("node:perf_hooks");
      let major = 0;
      new PerformanceObserver((list) => {
        for (const { detail } of list.getEntries()) {
          if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) major++;
        }
      }).observe({ entryTypes: ["gc"] });
      const collections = async (body) => {
        major = 0;
        for (let i = 0; i < 100; i++) {
          body();
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        return major;
      };
      const make = () => torch.ones([2 ** 21]);
      const scoped = await collections(() => torch.scope(() => void make()));
      const loose = await collections(() => void make());
      const { tensors } = torch.memory();
      console.log(JSON.stringify({ scoped, loose, tensors }));`);
    const found = JSON.parse(stdout || stderr) as Record<string, number>;
    const { scoped = 0, loose = 0, tensors = 0 } = found;
    assert.ok(scoped <= 1 && loose > scoped && tensors < 100, stdout);
  });
  it("over long loops with graphs, custom functions and errors", () => {
    const weight = randn([16, 16]).setRequiresGrad(true);
    const step = (i: number): void =>
      scope(() => {
        const x = randn([16, 16]);
        const [y] = customGradient(
          [weight],
          () => [x.mm(weight)],
          ([g]) => [x.t().mm(g as Tensor)],
        );
        backward((y as Tensor).tanh().sum());
        // Not every time: libtorch takes milliseconds to describe an error to itself.
        if (i % 100 === 0) assert.throws(() => x.mm(ones([3, 3])));
        weight.grad = null;
      });
    for (let i = 0; i < 500; i++) step(i);
    const before = { ...memory(), rss: process.memoryUsage().rss };
    for (let i = 0; i < 4000; i++) step(i);
    assert.deepEqual(memory().tensors, before.tensors);
    const grown = (process.memoryUsage().rss - before.rss) / 2 ** 20;
    // One leaked [16, 16] per step would be 4 MiB, with its graph several times that.
    assert.ok(grown < 24, `grew by ${grown.toFixed(1)} MiB`);
  });
});

describe("worker threads", () => {
  const start = (body: string): Worker =>
    new Worker(
      `const { parentPort } = require("node:worker_threads");
       import(${torch}).then(async (torch) => { ${body} });`,
      { eval: true },
    );
  it("have tensors, modes and scopes of their own", async () => {
    const kept = ones([3]);
    const before = memory();
    const worker = start(`
      torch.noGrad(() => {});
      const x = torch.ones([2, 2]).setRequiresGrad(true);
      torch.backward(x.mm(x).sum());
      parentPort.postMessage({ grad: [...x.grad.data()], count: torch.memory().tensors });
    `);
    const [message] = (await once(worker, "message")) as [{ grad: number[]; count: number }];
    assert.deepEqual(message.grad, [4, 4, 4, 4]);
    assert.ok(message.count >= 2 && message.count < 10, `${message.count}`);
    assert.equal((await once(worker, "exit"))[0], 0);
    // What earlier tests left may be collected meanwhile; nothing of the worker is added.
    assert.ok(memory().tensors <= before.tensors);
    assert.equal(kept.sum().item(), 3);
  });
  it("pass tensors' data over a SharedArrayBuffer", async () => {
    const shared = new SharedArrayBuffer(16);
    const worker = start(`
      parentPort.once("message", (shared) => {
        const numbers = new Float32Array(shared);
        torch.fromData(numbers).mul(2).copyInto(numbers);
        parentPort.postMessage("done");
      });
      parentPort.postMessage("ready");
    `);
    await once(worker, "message");
    new Float32Array(shared).set([1, 2, 3, 4]);
    worker.postMessage(shared);
    await once(worker, "message");
    assert.deepEqual([...new Float32Array(shared)], [2, 4, 6, 8]);
    await worker.terminate();
  });
  it("run custom backward functions beside each other", async () => {
    const body = `
      torch.runBackwardElsewhere(true);
      const x = torch.ones([8, 8]).setRequiresGrad(true);
      for (let i = 0; i < 50; i++) torch.scope(() => {
        let y = x;
        for (let k = 0; k < 3; k++) y = torch.checkpoint(y, [], (h) => h.mul(2).tanh());
        torch.backward(y.sum());
      });
      parentPort.postMessage(x.grad.sum().item());
    `;
    const workers = [start(body), start(body)];
    const sums = await Promise.all(
      workers.map(async (worker) => (await once(worker, "message"))[0]),
    );
    assert.equal(sums[0], sums[1]);
    await Promise.all(workers.map(async (worker) => worker.terminate()));
  });
  it("are ended in the middle of work without harm to the others", async () => {
    for (let round = 0; round < 3; round++) {
      const worker = start(`
        parentPort.postMessage("busy");
        const x = torch.randn([64, 64]).setRequiresGrad(true);
        for (;;) torch.scope(() => torch.backward(torch.checkpoint(x, [], (h) => h.mm(h)).sum()));
      `);
      await once(worker, "message");
      await worker.terminate();
    }
    assert.equal(ones([4]).sum().item(), 4);
  });
});

describe("process", () => {
  it("exits cleanly with tensors, graphs and backward functions alive", () => {
    const ended = runScript(`
      globalThis.x = torch.randn([100, 100]).setRequiresGrad(true);
      globalThis.y = torch.checkpoint(x, [], (h) => h.mm(h));
      torch.runBackwardElsewhere(true);
      torch.backward(torch.checkpoint(x, [], (h) => h.mul(h)).sum());
      if (x.grad.shape.length === 2) console.log("fine");
    `);
    assert.deepEqual([ended.status, ended.stdout, ended.stderr], [0, "fine\n", ""]);
  });
  it("keeps the code of process.exit and of an uncaught error", () => {
    const setup = "globalThis.x = torch.ones([2]);\n";
    assert.equal(runScript(`${setup} process.exit(3);`).status, 3);
    const failed = runScript(`${setup} torch.scope(() => x.mm(x));`);
    assert.equal(failed.status, 1);
    assert.match(failed.stderr, /NativeError: aten::mm failed on \(\[2\] float32, \[2\] float32\)/);
  });
  it("remembers a first signal and leaves at once on the second", () => {
    const wait = "while (torch.pendingSignal() === 0) {}";
    const first = runScript(`
      torch.catchSignals(true);
      process.kill(process.pid, "SIGINT");
      ${wait}
      console.log(torch.pendingSignal());
      torch.catchSignals(false);
      torch.catchSignals(true);
      process.kill(process.pid, "SIGTERM");
      ${wait}
      console.log(torch.pendingSignal());
    `);
    assert.deepEqual([first.status, first.stdout], [0, "2\n15\n"]);
    const second = runScript(`
      torch.catchSignals(true);
      process.kill(process.pid, "SIGTERM");
      ${wait}
      process.kill(process.pid, "SIGINT");
      for (;;) torch.ones([2]).dispose();
    `);
    assert.equal(second.status, 130);
  });
});
