/** Tables of JSON: lines, and a list. */
import { readSource } from "../tables.mjs";

const texts = [
  '{"image":"a.jpg","caption":"one"}\n{"image":"b.jpg","caption":["x","y"]}\n{"image":"a.jpg","caption":null}\n',
  '{"file_name": "a.jpg", "text": "one\u2028two", "score": NaN}\r\n{"file_name": "b.jpg", "text": ["a", "b"]}\r\n',
  '{"image":{"path":"a.jpg","bytes":null},"label":9007199254740993,"text":"\\u00fc\\ud83d"}\n\n[1]\nnonsense\n',
  '{"path":"https://x/a.jpg","title":"[\'a\', \\"b\\"]","deep":[[[{"a":[1,2,{}]}]]]}\n{"path":"b.jpg","title":"t"}',
  '[{"image":"a.jpg","caption":"one"},\n {"image":"b.jpg","caption":["[", "{\\""]},\n 7, {"image":"c.jpg"}]',
];

export const files = [
  ...texts.map((text) => Buffer.from(text)),
  Buffer.from(`\uFEFF${texts[0]}`),
  Buffer.from(`\uFEFF${texts[1]}`, "utf16le"),
];

/** @param {Buffer} bytes */
export async function read(bytes) {
  await readSource(bytes, "fuzz.jsonl", (file) => ({ kind: "table", file }));
}
