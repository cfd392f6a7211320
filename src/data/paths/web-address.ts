/** Addresses where files should be: what people give to loaders that fetch, said in one sentence. */
import { existsSync } from "node:fs";
import { DataError } from "../../errors.ts";

/** How files behind an address come onto this machine. */
const ways: Readonly<Record<string, string>> = {
  http: "fetch it first, a table of addresses with img2dataset, a file with curl -LO",
  https: "fetch it first, a table of addresses with img2dataset, a file with curl -LO",
  ftp: "fetch it first, with curl -O",
  s3: "fetch it first, with aws s3 cp",
  gs: "fetch it first, with gcloud storage cp",
  gcs: "fetch it first, with gcloud storage cp",
  az: "fetch it first, with az storage blob download",
  abfs: "fetch it first, with az storage blob download",
  hf: "fetch it first, with hf download --repo-type dataset",
  hdfs: "fetch it first, with hdfs dfs -get",
  data: "write the picture to a file first",
  file: "leave out file:",
};

/** The last are webdataset's `file:`, and addresses that lost a slash as a path was made of them. */
const schemes: readonly RegExp[] = [
  /^([a-z][a-z\d+.-]+):\/\//i,
  /^(data):[^,]*,/i,
  /^(file):/i,
  /^(https?|ftp|s3|gs|hf):\//i,
];

/** A part of an address that says enough, without what may be a password or a whole picture. */
function shown(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/**
 * What stands where the path of a file should, as a phrase that goes on after `received` or `it is`, with
 * how to fetch what is meant; undefined for what may be a path.
 */
export function addressOf(text: string): string | undefined {
  const start = text.trimStart();
  if (/^pipe:/i.test(start)) {
    return `the command "${shown(start)}"; limn reads files and runs nothing: run it into a file first`;
  }
  const scheme = schemes.map((pattern) => pattern.exec(start)?.[1]).find(Boolean);
  if (scheme !== undefined) {
    const way = ways[scheme.toLowerCase()] ?? "fetch it first";
    const web = /^(https?|ftp)$/i.test(scheme) ? "web " : "";
    return `the ${web}address ${shown(start)}; limn reads files on this machine: ${way}`;
  }
  return undefined;
}

/**
 * The same for the paths of shards, which some join by "::". Whether such a file exists is to be looked
 * at before.
 */
export function noPath(text: string): string | undefined {
  const start = text.trimStart();
  const address = addressOf(text);
  if (address !== undefined) return address;
  if (/^~(?:[/\\]|$)/.test(text)) {
    return `the path ${shown(text)}; limn does not expand "~": write the folder out, or leave it to the shell without quotes`;
  }
  if (start.includes("::")) {
    return `"${shown(start)}"; limn joins shards by a list or by braces, {a,b}.tar, not by "::"`;
  }
  return undefined;
}

/**
 * Throws a DataError for what is no path and no file.
 *
 * what   what should stand there: `a folder for source.directory`
 */
export function checkPath(text: string, what: string): void {
  const received = noPath(text);
  if (received === undefined || existsSync(text)) return;
  throw new DataError(`Expected ${what} but received ${received}`, { source: text });
}
