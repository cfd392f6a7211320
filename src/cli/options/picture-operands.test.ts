import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { pictureOperands } from "./picture-operands.ts";

const folder = mkdtempSync(path.join(tmpdir(), "limn-operands-"));
after(() => rmSync(folder, { recursive: true }));
const golden = fileURLToPath(new URL("../../../../test/goldens/pictures/odd.png", import.meta.url));
const write = (name: string, contents: string | Uint8Array = readFileSync(golden)): string => {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, contents);
  return file;
};

async function namesOf(...operands: string[]): Promise<string[]> {
  const opened = await pictureOperands(operands);
  const names = [];
  for await (const _ of opened.stream()) names.push(opened.name(names.length));
  return names;
}

test("what is no picture and no source is refused", async () => {
  const refused = (operand: string, message: RegExp): Promise<void> =>
    assert.rejects(namesOf(operand), { name: "UsageError", message });
  await refused("https://example.com/cat.jpg", /the web address https:.* fetch it first/);
  await refused(
    path.join(folder, "none.jfif"),
    /Expected a picture at .*none\.jfif but found no such file/,
  );
  await refused(write("text", "no picture"), /Expected a folder, a \.csv/);
});

test("pictures are known by their ending, or by their first bytes", async () => {
  const files = ["a.jfif", "b.JPE", "c.heic", "d", "e.bin"].map((name) => write(name));
  assert.deepEqual(await namesOf(...files), files);
});

test("what is bad in a folder stays named", async () => {
  const picture = write("some/a.png");
  symlinkSync("gone.png", path.join(folder, "some/b.png"));
  assert.deepEqual(await namesOf(path.join(folder, "some")), [
    picture,
    `${path.join(folder, "some/b.png")}: b.png (it is a link to something that is not there)`,
  ]);
});
