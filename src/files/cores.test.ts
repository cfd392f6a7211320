import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { cpuQuota, defaultWorkers, usableCores } from "./cores.ts";

function withFiles(files: Record<string, string>, body: (root: string) => void): void {
  const root = mkdtempSync(path.join(tmpdir(), "limn-cores-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  }
  try {
    body(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("without control groups every core of the affinity mask counts", () => {
  withFiles({}, (root) => {
    assert.equal(cpuQuota(root), undefined);
    assert.equal(usableCores(root), availableParallelism());
  });
});

test("version 2: the tightest quota on the way to the root counts, rounded up", () => {
  withFiles(
    {
      "proc/self/cgroup": "0::/a/b\n",
      "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
      "sys/fs/cgroup/a/cpu.max": "50000 100000\n",
      "sys/fs/cgroup/cpu.max": "800000 100000\n",
    },
    (root) => {
      assert.equal(cpuQuota(root), 0.5);
      assert.equal(usableCores(root), 1);
    },
  );
});

test("version 1: quota and period are two files, and -1 is no quota", () => {
  const files = (quota: string): Record<string, string> => ({
    "proc/self/cgroup": "5:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": quota,
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
  });
  withFiles(files("150000\n"), (root) => assert.equal(cpuQuota(root), 1.5));
  withFiles(files("-1\n"), (root) => assert.equal(cpuQuota(root), undefined));
});

test("a core is left free by default, and the quota counts for workers too", () => {
  const group = { "proc/self/cgroup": "0::/\n" };
  withFiles({ ...group, "sys/fs/cgroup/cpu.max": "100000 100000\n" }, (root) => {
    assert.equal(defaultWorkers(root), 1);
  });
  withFiles(group, (root) => {
    assert.equal(defaultWorkers(root), Math.max(1, availableParallelism() - 1));
  });
  if (availableParallelism() < 2) return;
  withFiles({ ...group, "sys/fs/cgroup/cpu.max": "150000 100000\n" }, (root) => {
    assert.equal(usableCores(root), 2);
    assert.equal(defaultWorkers(root), 1);
  });
});
