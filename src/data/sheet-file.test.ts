import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import sharp from "sharp";
import { contactSheet } from "./contact-sheet.ts";
import { checkSheetTarget, writeSheet } from "./sheet-file.ts";

const root = mkdtempSync(join(tmpdir(), "limn-sheet-"));
after(() => rmSync(root, { recursive: true }));

const photos = join(root, "photos");
mkdirSync(photos);
const create = { width: 40, height: 30, channels: 3, background: "#336699" } as const;
await sharp({ create }).jpeg().toFile(join(photos, "cat.jpg"));
const source = { kind: "folder", directory: photos } as const;

for (const format of ["html", "png", "jpg"] as const) {
  test(`a sheet is written again in place of a sheet, and of nothing else, as ${format}`, async () => {
    const file = join(root, `sheet.${format}`);
    const sheet = await contactSheet({ source, format });
    writeSheet(file, sheet, source);
    writeSheet(file, sheet, source);
    assert.deepEqual(readFileSync(file), sheet);
    const mine = join(root, `mine.${format}`);
    const content =
      format === "html"
        ? "<!doctype html>"
        : await sharp({ create })
            .toFormat(format === "jpg" ? "jpeg" : "png")
            .toBuffer();
    writeFileSync(mine, content);
    symlinkSync(mine, join(root, `link.${format}`));
    for (const target of [mine, join(root, `link.${format}`)]) {
      const error = {
        name: "StorageError",
        file: target,
        message: /Expected no file, or an earlier/,
      };
      assert.throws(() => writeSheet(target, sheet, source), error);
    }
    assert.deepEqual(readFileSync(mine), Buffer.from(content));
  });
}

test("a picture among the source's own is refused, and so is a folder that is not there", () => {
  const inside = { name: "StorageError", message: /Expected another place than that of .*photos/ };
  for (const name of ["sheet.png", "cat.jpg"]) {
    assert.throws(() => checkSheetTarget(join(photos, name), source), inside);
  }
  checkSheetTarget(join(photos, "sheet.html"), source);
  const missing = { name: "StorageError", message: /Expected an existing folder for writing/ };
  assert.throws(() => checkSheetTarget(join(root, "none", "sheet.png"), source), missing);
});
