import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { writeFolderAtomically } from "../files/atomic-folder.ts";
import { removeCheckpoints } from "./context.ts";

test("checkpoints of a finished training go, what somebody put among them stays", async () => {
  const root = mkdtempSync(path.join(tmpdir(), "limn-checkpoints-"));
  after(() => rmSync(root, { recursive: true }));
  const folder = path.join(root, "checkpoints");
  mkdirSync(folder);
  for (const step of ["step-00000001", "step-00000002", "step-00000003"]) {
    await writeFolderAtomically(path.join(folder, step), (partial) => {
      writeFileSync(path.join(partial, "state.json"), "{}");
    });
  }
  writeFileSync(path.join(folder, "step-00000002", "notes.txt"), "the good one");
  writeFileSync(path.join(folder, "mine.txt"), "mine");
  removeCheckpoints(root);
  assert.deepEqual(readdirSync(folder).sort(), ["mine.txt", "step-00000002"]);
  rmSync(path.join(folder, "step-00000002", "notes.txt"));
  rmSync(path.join(folder, "mine.txt"));
  removeCheckpoints(root);
  assert.deepEqual(readdirSync(root), []);
  removeCheckpoints(root);
});
