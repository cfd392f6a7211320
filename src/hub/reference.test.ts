import assert from "node:assert/strict";
import { test } from "node:test";
import { HubError } from "../errors.ts";
import {
  formatReference,
  isDatasetReference,
  isInside,
  parseDatasetReference,
  parseModelReference,
} from "./reference.ts";

const misspelled: [text: string, message: RegExp][] = [
  ["", /^Expected a path or "hf:\/\/org\/name\[@revision\]\[\/subfolder\]" for the model but/],
  ["hf:/org/name", /received "hf:\/org\/name"; write "hf:\/\/org\/name"\./],
  ["hf:org/name", /write "hf:\/\/org\/name"/],
  ["HF://org/name", /write "hf:\/\/org\/name"/],
  ["hf-hub://org/name", /write "hf:\/\/org\/name"/],
  ["huggingface:org/name", /write "hf:\/\/org\/name"/],
  ["hf:", /write "hf:\/\/org\/name"/],
  ["https://huggingface.co/org/name", /write "hf:\/\/org\/name"\./],
  ["huggingface.co/org/name/", /write "hf:\/\/org\/name"\./],
  ["https://hf.co/org/name/tree/v1/sub", /write "hf:\/\/org\/name@v1\/sub"\./],
  ["https://huggingface.co/org/name/blob/main/a.bin?download=1", /"hf:\/\/org\/name\/a.bin"/],
  ["local-dir:./model", /write the path alone, "\.\/model"/],
  ["s3://bucket/model", /give the path of a folder/],
  ["hf://", /write the organisation and the name/],
  ["hf://name", /write the organisation and the name/],
  ["hf-hub:name", /write the organisation and the name/],
  ["hf://org/", /write the organisation and the name/],
  ["hf:///name", /write the organisation and the name/],
  ["hf://@main", /write the organisation and the name/],
  ["hf://datasets/org/name", /a data set is a source or a set of a suite; name a model/],
  ["hf://spaces/org/name", /spaces are no models; name a repository of one/],
  ["https://huggingface.co/datasets/org/name/tree/main", /write "hf:\/\/datasets\/org\/name"/],
  ["hf://org/na me", /"na me" must consist of/],
  ["hf://org/-name", /"-name" must consist of/],
  ["hf://org/a--b", /"a--b" must consist of/],
  ["hf://org/name.git", /"name.git" must consist of/],
  ["hf://../name", /"\.\." must consist of/],
  ["hf://org/..", /"\.\." must consist of/],
  ["hf://org/name?", /"name\?" must consist of/],
  ["hf://org/näme", /"näme" must consist of/],
  ["hf://org/name@", /write a branch, tag or commit behind @/],
  ["hf://org/name@..", /"\.\." cannot be a branch/],
  ["hf://org/name@a%2F..%2F..%2Fb", /"a\/\.\.\/\.\.\/b" cannot be a branch/],
  ["hf://org/name@%2Fetc", /"\/etc" cannot be a branch/],
  ["hf://org/name@a%zz", /"a%zz" has a % that is not followed/],
  ["hf://org/name@a b", /"a b" cannot be a branch/],
  ["hf://org/name/../x", /"\.\.\/x" must be a folder inside/],
  ["hf://org/name//x", /"\/x" must be a folder inside/],
  ["hf://org/name@v1/a\\b", /must be a folder inside/],
];

test("what is nearly a reference is refused, with the right spelling", () => {
  for (const [text, message] of misspelled) {
    assert.throws(
      () => parseModelReference(text),
      (error) => {
        assert.ok(error instanceof HubError, text);
        assert.equal(error.failure, "reference");
        assert.match(error.message, message);
        return true;
      },
    );
  }
});

test("what is nearly a data set's reference is refused, with the right spelling", () => {
  const cases: [text: string, message: RegExp][] = [
    ["", /^Expected "hf:\/\/datasets\/org\/name\[@revision\]\[\/subfolder\]" for the data set but/],
    ["org/name", /received "org\/name"; write "hf:\/\/datasets\/org\/name"\.$/],
    ["hf://org/name", /write "hf:\/\/datasets\/org\/name"/],
    ["hf:datasets/org/name", /write "hf:\/\/datasets\/org\/name"/],
    ["hf:org/name", /write "hf:\/\/datasets\/org\/name"/],
    ["https://huggingface.co/datasets/org/name/tree/v1", /"hf:\/\/datasets\/org\/name@v1"/],
    ["hf://datasets/name", /write the organisation and the name of the data set/],
    ["hf://datasets/spaces/name", /spaces are no data sets/],
    ["hf://datasets/org/name/../x", /must be a folder inside/],
    ["hf://datasets/org/na me", /"na me" must consist of/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseDatasetReference(text), { failure: "reference", message }, text);
  }
});

test("data sets are read by the same grammar", () => {
  const text = "hf://datasets/org/name@refs/convert/parquet/default/test";
  assert.ok(isDatasetReference(text) && !isDatasetReference("hf://org/name"));
  const parsed = parseDatasetReference(text);
  assert.deepEqual(parsed, {
    kind: "hub",
    type: "dataset",
    org: "org",
    name: "name",
    revision: "refs/convert/parquet",
    subfolder: "default/test",
  });
  assert.equal(formatReference(parsed), text);
});

test("references are read as huggingface_hub reads them", () => {
  const read = (text: string) => {
    const parsed = parseModelReference(text);
    assert.equal(parsed.kind, "hub", text);
    if (parsed.kind !== "hub") return [];
    assert.deepEqual(parseModelReference(formatReference(parsed)), parsed, text);
    return [parsed.org, parsed.name, parsed.revision, parsed.subfolder];
  };
  const commit = "0123456789abcdef0123456789abcdef01234567";
  assert.deepEqual(read("hf://org/name"), ["org", "name", "main", ""]);
  assert.deepEqual(read("hf://org/name/"), ["org", "name", "main", ""]);
  assert.deepEqual(read("hf-hub:org/name"), ["org", "name", "main", ""]);
  assert.deepEqual(read("hf-hub:org/name@v1"), ["org", "name", "v1", ""]);
  assert.deepEqual(read("hf://models/org/name@v1.0"), ["org", "name", "v1.0", ""]);
  assert.deepEqual(read(`hf://o-r_g/Na.me-1@${commit}/a/b`), ["o-r_g", "Na.me-1", commit, "a/b"]);
  assert.deepEqual(read("hf://org/name/a@b"), ["org", "name", "main", "a@b"]);
  assert.deepEqual(read("hf://org/name@refs/pr/12/sub"), ["org", "name", "refs/pr/12", "sub"]);
  assert.deepEqual(read("hf://org/name@refs/pr/12"), ["org", "name", "refs/pr/12", ""]);
  assert.deepEqual(read("hf://org/name@feature%2Fx/sub"), ["org", "name", "feature/x", "sub"]);
});

test("a name without a scheme is a path", () => {
  for (const path of [
    "org/name",
    ".",
    "/a/b",
    "C:\\models\\clip",
    "a:b",
    "models/hf",
    "ViT-B/16",
  ]) {
    assert.deepEqual(parseModelReference(path), { kind: "path", path });
  }
});

test("a path of a repository stays inside under POSIX and Windows rules", () => {
  for (const path of ["a", "a/b.txt", ".gitattributes", "a..b/c", "x:y"]) {
    assert.equal(isInside(path), path !== "x:y", path);
  }
  for (const path of [
    "",
    "..",
    "../x",
    "a/../b",
    "/etc/x",
    "a//b",
    "./a",
    "C:/x",
    "a\\..\\b",
    "a\0",
  ]) {
    assert.equal(isInside(path), false, path);
  }
});
