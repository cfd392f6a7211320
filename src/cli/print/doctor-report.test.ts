import assert from "node:assert/strict";
import { test } from "node:test";
import { diagnose, formatReport, type Facts } from "./doctor-report.ts";

const healthy: Facts = {
  limn: "0.1.0",
  node: "22.11.0",
  platform: "linux x64",
  engine: {
    addon: "addon/k/limn.node",
    libtorch: {
      ...{ source: "system", path: "/usr", lib: "/usr/lib", version: "1.13.0" },
      ...{ cuda: false, blas: "openblas", size: 1 },
    },
    compiler: "g++ 12",
    node: { version: "22.11.0", arch: "x64", platform: "linux", napi: 8 },
    ...{ key: "k", sources: "s", request: "", gpu: false, gflops: 100 },
  },
  engineError: null,
  libtorch: "1.13.0",
  compiler: "g++ 12",
  matrixProduct: { size: 1024, dtype: "float32", gflops: 120, share: 0.97 },
  threads: { used: 2, usable: 2, machine: 8, quota: 2 },
  devices: ["cpu"],
  inference: { precisions: ["float32", "bfloat16"], packed: true },
  gpu: false,
  sharp: "0.35.5",
  sharpError: null,
  jpeg: { library: "libjpeg-turbo 3.2.0", reason: null },
  disk: { path: "/data", freeBytes: 1e11 },
  memory: { totalBytes: 1.6e10 },
};

test("a missing engine or sharp, an old Node and a full disk stop training", () => {
  const broken: Partial<Facts>[] = [
    { engine: null, engineError: "Expected an engine; run: npm run setup" },
    { sharp: null, sharpError: "no prebuilt file" },
    { node: "20.18.3" },
    { disk: { path: "/data", freeBytes: 1e7 } },
  ];
  for (const facts of broken) {
    const report = diagnose({ ...healthy, ...facts });
    assert.equal(report.ok, false, JSON.stringify(facts));
    assert.equal(report.problems.length, 1);
    assert.match(formatReport(report), /error: .+\n {2}cure: .+\n\nTraining cannot run here yet\./);
  }
});

test("what decodes JPEGs is told, and how to have the faster one", () => {
  assert.match(formatReport(diagnose(healthy)), /JPEGs +libjpeg-turbo 3\.2\.0/);
  const jpeg = { library: null, reason: "setup found no headers of it" };
  const report = diagnose({ ...healthy, jpeg });
  assert.equal(report.ok, true);
  assert.match(
    formatReport(report),
    /JPEGs +by sharp[^]*warning: JPEGs are decoded by sharp, .*: setup found no headers of it\n {2}cure: .*jpeg.* --force/,
  );
});

test("what models can be prepared for is told, and that an old libtorch is slower", () => {
  assert.match(formatReport(diagnose(healthy)), /inference +float32, bfloat16\n/);
  assert.deepEqual(diagnose(healthy).problems, []);
  const old = diagnose({ ...healthy, inference: { precisions: ["float32"], packed: false } });
  assert.equal(old.ok, true);
  const [problem, ...others] = old.problems;
  assert.deepEqual(others, []);
  assert.match(problem?.problem ?? "", /^libtorch 1\.13\.0 packs no weights/);
  assert.match(problem?.cure ?? "", /^LIMN_LIBTORCH=pip .*--force/);
});

test("a compiler matters only while the engine is not built", () => {
  assert.equal(diagnose({ ...healthy, compiler: null }).ok, true);
  const report = diagnose({ ...healthy, compiler: null, engineError: "none", engine: null });
  assert.deepEqual(
    report.problems.map(({ severity }) => severity),
    ["error", "error"],
  );
});

test("slow matrix products are told apart: the reference BLAS, or something else", () => {
  const slow = { ...healthy, matrixProduct: { ...healthy.matrixProduct!, gflops: 3 } };
  assert.match(diagnose(slow).problems[0]?.problem ?? "", /slow: 1\.5 GFLOP\/s for each core/);
  const crowded = { ...slow, matrixProduct: { ...slow.matrixProduct, share: 0.25 } };
  const [problem] = diagnose(crowded).problems;
  assert.match(
    problem?.problem ?? "",
    /slow now: 1\.5 GFLOP.*; only 25 % of the cores' time was free/,
  );
  assert.match(problem?.cure ?? "", /^end other programs, .* run limn doctor again$/);
  assert.match(formatReport(diagnose(crowded)), /3 GFLOP\/s now \(float32, 1024\); only 25 % of/);
  const { engine } = healthy;
  assert.ok(engine);
  const reference = { ...engine, libtorch: { ...engine.libtorch, blas: "reference" } };
  const report = diagnose({ ...slow, engine: reference });
  assert.match(report.problems[0]?.cure ?? "", /libopenblas0-pthread/);
  assert.equal(report.ok, true);
  assert.deepEqual(diagnose({ ...healthy, engine: reference }).problems, []);
});

test("a GPU that is not used is a warning with the command that changes it", () => {
  const report = diagnose({ ...healthy, gpu: true });
  assert.match(report.problems[0]?.problem ?? "", /built without CUDA/);
  assert.match(report.problems[0]?.cure ?? "", /^LIMN_LIBTORCH=pip npm run setup -- --force$/);
  assert.deepEqual(diagnose({ ...healthy, gpu: true, devices: ["cpu", "cuda:0"] }).problems, []);
});

test("a healthy machine has no problems and the report says what it measured", () => {
  const report = diagnose(healthy);
  assert.deepEqual(report.problems, []);
  const text = formatReport(report);
  assert.match(text, /^matrix product {2}120 GFLOP\/s now \(float32, 1024\)$/m);
  assert.match(text, /^threads +2 of 2 usable \(8 cores, CPU quota 2\)$/m);
  assert.match(text, /Training can run here\.$/);
});
