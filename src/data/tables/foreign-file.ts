/** What a file is that is not what its name says, from its first bytes. Files of gzip are read or unpacked elsewhere. */

import { type Substitute, substituteOf } from "../../files/regular-file.ts";

const kinds: readonly [magic: string, what: string, cure: string][] = [
  ["\x28\xb5\x2f\xfd", "a file packed by zstd", "unpack it with zstd -d"],
  ["\xfd7zXZ\0", "a file packed by xz", "unpack it with xz -d"],
  ["BZh", "a file packed by bzip2", "unpack it with bzip2 -d"],
  ["\x04\x22\x4d\x18", "a file packed by lz4", "unpack it with lz4 -d"],
  ["PK\x03\x04", "a spreadsheet or zip file", "save it as CSV, or unpack it"],
  ["\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a spreadsheet of old Excel", "save it as CSV"],
  ["SQLite format 3\0", "a database of SQLite", "export its table as CSV"],
  ["\x89HDF\r\n\x1a\n", "an HDF5 file", "write it as Parquet or CSV"],
  ["ARROW1", "an Arrow (Feather) file", "write it as Parquet, with to_parquet of pandas"],
  ["\xff\xff\xff\xff", "a stream of Arrow", "write it as Parquet, with to_parquet of datasets"],
  ["\x93NUMPY", "an array of NumPy", "check the path"],
  ["PAR1", "Parquet", "give it a name that ends in .parquet"],
];

/** head   the first bytes, 64 of them where there are so many. Undefined for none of the known kinds. */
export function foreignFile(head: Uint8Array): Substitute | undefined {
  const length = Math.min(head.length, 64);
  const text = Buffer.from(head.buffer, head.byteOffset, length).toString("latin1");
  const found = kinds.find(([magic]) => text.startsWith(magic));
  return found === undefined ? substituteOf(head) : { what: found[1], cure: found[2] };
}
