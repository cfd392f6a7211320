import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { asOnlyWriter, removeEndedLock, removeLeftLock, withFileLock } from "./file-lock.ts";
import { hasEnded, thisProcess, type Owner } from "./owner.ts";

const root = mkdtempSync(path.join(tmpdir(), "limn-lock-"));
after(() => rmSync(root, { recursive: true }));

function lockOf(owner: Owner): string {
  const file = path.join(mkdtempSync(path.join(root, "a-")), "study.lock");
  writeFileSync(file, JSON.stringify({ id: "another", ...owner }));
  return file;
}

const age = (file: string, seconds: number): void => {
  const then = new Date(Date.now() - seconds * 1000);
  utimesSync(file, then, then);
};

test("a process of another container is never taken for dead, whatever its number is here", () => {
  const { pid: dead } = spawnSync(process.execPath, ["--version"]);
  assert.equal(hasEnded(thisProcess()), false);
  assert.equal(hasEnded({ ...thisProcess(), pid: dead }), true);
  for (const pid of [1, process.pid, dead]) {
    assert.equal(hasEnded({ host: "another-container", pid }), false);
  }
});

test("two containers with process 1 on one volume: the second one waits", async () => {
  const { pid: dead } = spawnSync(process.execPath, ["--version"]);
  for (const pid of [1, process.pid, dead]) {
    const owner = { host: "another-container", pid };
    const file = lockOf(owner);
    const before = readFileSync(file, "utf8");
    let told = 0;
    await assert.rejects(
      withFileLock(file, () => assert.fail("both are at work"), {
        signal: AbortSignal.timeout(150),
        onWait: (holder) => {
          told++;
          assert.equal(holder, `process ${pid} on host another-container`);
        },
      }),
      { name: "AbortError" },
    );
    assert.equal(told, 1);
    assert.equal(readFileSync(file, "utf8"), before);
  }
});

test("an owner that cannot be seen is gone when it has not touched its lock for long", async () => {
  const file = lockOf({ host: "another-container", pid: 1 });
  age(file, 60);
  assert.equal(await withFileLock(file, () => Promise.resolve(7)), 7);
  assert.deepEqual(readdirSync(path.dirname(file)), []);
});

test("many that see the same abandoned lock enter one after another", async () => {
  const { pid: dead } = spawnSync(process.execPath, ["--version"]);
  for (let round = 0; round < 5; round++) {
    const file = lockOf({ ...thisProcess(), pid: dead });
    let inside = 0;
    let done = 0;
    await Promise.all(
      Array.from({ length: 8 }, () =>
        withFileLock(file, async () => {
          assert.equal(++inside, 1);
          await sleep(2);
          inside--;
          done++;
        }),
      ),
    );
    assert.equal(done, 8);
    assert.deepEqual(readdirSync(path.dirname(file)), []);
  }
});

test("what breaks a lock and crashes is no obstacle", async () => {
  const { pid: dead } = spawnSync(process.execPath, ["--version"]);
  const file = lockOf({ ...thisProcess(), pid: dead });
  writeFileSync(`${file}.breaking`, JSON.stringify({ id: "x", ...thisProcess(), pid: dead }));
  assert.equal(await withFileLock(file, () => Promise.resolve(7)), 7);
  assert.deepEqual(readdirSync(path.dirname(file)), []);
});

test("a lock that cannot be written is a storage error", async () => {
  const file = path.join(root, "plain");
  writeFileSync(file, "");
  await assert.rejects(
    withFileLock(path.join(file, "a.lock"), () => Promise.resolve()),
    { name: "StorageError", message: /folders only on the path/ },
  );
});

test("a pipe in a lock's place is refused, not waited for, and stays", async (t) => {
  if (process.platform === "win32") return t.skip("needs mkfifo");
  const file = path.join(mkdtempSync(path.join(root, "p-")), "study.lock");
  spawnSync("mkfifo", [file]);
  age(file, 3600);
  const work = (): Promise<void> => assert.fail("it was taken for a lock");
  const refused = { name: "StorageError", message: /Expected a file, not a pipe or a device, / };
  await assert.rejects(withFileLock(file, work), refused);
  await assert.rejects(asOnlyWriter(path.dirname(file), file, work), refused);
  removeEndedLock(file);
  await removeLeftLock(file);
  assert.ok(lstatSync(file).isFIFO());
});
