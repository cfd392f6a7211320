/** Writes the files of a tokenizer; each appears whole or not at all. */
import { writeFileAtomically, writeTextAtomically } from "../files/atomic-write.ts";

/** throws  StorageError naming the file where it cannot be written */
export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  if (typeof content === "string") writeTextAtomically(file, content);
  else writeFileAtomically(file, (write) => write(content));
}

/** Writes JSON in the indentation that Hugging Face's files have. */
export async function writeJson(file: string, value: object): Promise<void> {
  writeTextAtomically(file, `${JSON.stringify(value, undefined, 2)}\n`);
}
