/** Files of classes: lists and objects of JSON, and lines of text. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ClassAnswers } from "../../../dist/src/evaluate/class-answers.js";
import { readClasses } from "../../../dist/src/evaluate/read-classes.js";

export const files = [
  '["cat", ["dog", "hound"], { "key": "sheep", "names": ["ewe", "3"] }, "cat"]',
  '{ "0": "cat", "1": ["n01440764", "great_white_shark"], "2": ["dog", "hound"] }',
  '{ "cat": 0, "dog": 1, "__proto__": 2 }',
  '{ "model_type": "vit", "id2label": { "0": "cat", "1": "dog" } }',
  '{ "dog": ["hound"], "n01440764": "tench", "constructor": ["builder"] }',
  "cat\r\ngreat dane\nm\u00fcnster\n12\n",
].map((text) => Buffer.from(text));

const folder = mkdtempSync(path.join(tmpdir(), "limn-fuzz-classes-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** @param {Buffer} bytes */
export function read(bytes) {
  const json = '[{"'.includes(bytes.toString("latin1", 0, 1));
  const file = path.join(folder, json ? "classes.json" : "classnames.txt");
  writeFileSync(file, bytes);
  const classes = readClasses(file);
  const answers = new ClassAnswers(classes);
  classes.forEach(({ key, label, names }, i) => {
    const found = answers.find(key);
    if (found !== i && key.trim() === key) throw new Error(`${key} is class ${i}, not ${found}`);
    if (names.length === 0 || label === "") throw new Error("a class without a name");
  });
}
