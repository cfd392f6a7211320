/** CSV, TSV and their kin, as others write them and as people do. */
import { readSource } from "../tables.mjs";

const rows = Array.from({ length: 12 }, (_, i) => `img/${i % 9}.jpg,a caption of ${i}`);
const texts = [
  ["image,caption", ...rows].join("\n"),
  ["image,caption", ...rows].join("\r\n"),
  ["image,caption", ...rows].join("\r"),
  ["filepath\ttitle\tlabel", ...rows.map((row, i) => `${row.replace(",", "\t")}\t${i}`)].join("\n"),
  ["image; caption", ...rows.map((row) => row.replace(",", "; "))].join("\n"),
  'image,caption\na.jpg,"one, ""two""\nthree"\nb.jpg,5" wide\nc.jpg,"open\nd.jpg,"\\"x\\", y"\n',
  'a\tfile_name\ttext\n1\ta.jpg\t"x\n2\tb.jpg\ty"\n3\tc.jpg\t["p", "q"]\n4\td.jpg\t[\'p\', "q"]\n',
  "image_name| comment_number| comment\na.jpg| 0| ü — 写真 🐈\na.jpg| 1| https://x/y.jpg\n",
];

export const files = [
  ...texts.map((text) => Buffer.from(text)),
  Buffer.from(`\uFEFF${texts[0]}`),
  Buffer.from(`\uFEFF${texts[5]}`, "utf16le"),
];

/** @param {Buffer} bytes */
export async function read(bytes) {
  await readSource(bytes, "fuzz.csv", (file) => ({ kind: "table", file }));
}
