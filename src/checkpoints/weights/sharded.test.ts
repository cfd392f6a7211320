import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, describe, it } from "node:test";
import { CheckpointError } from "../../errors.ts";
import { randn, zeros, type Tensor } from "../../torch/index.ts";
import { openWeightFile } from "./open-weight-file.ts";
import { writeSafetensors } from "./safetensors.ts";

const root = mkdtempSync(join(tmpdir(), "limn-sharded-"));
after(() => rmSync(root, { recursive: true, force: true }));
const { splits } = JSON.parse(
  readFileSync(new URL("../../../../test/goldens/weights/expected.json", import.meta.url), "utf8"),
) as {
  splits: {
    sizes: Record<string, number>;
    limit: number;
    files: Record<string, string>;
    metadata: Record<string, number>;
  }[];
};
let count = 0;
function newFolder(): string {
  const folder = join(root, String(count++));
  mkdirSync(folder);
  return folder;
}

/** 40, 24, 8, 100 and 16 bytes. */
function entries(): [string, Tensor][] {
  const sizes = { z: 10, a: 6, m: 2, large: 25, last: 4 };
  return Object.entries(sizes).map(([name, size]) => [name, randn([size])]);
}

describe("writeSafetensors in shards", () => {
  it("refuses a limit that is no size", () => {
    assert.throws(
      () => writeSafetensors(join(root, "x"), [], {}, { maxShardBytes: 0 }),
      /maxShardBytes above 0/,
    );
  });

  it("writes one file where everything fits", () => {
    const folder = newFolder();
    const file = join(folder, "model.safetensors");
    assert.deepEqual(writeSafetensors(file, entries(), {}, { maxShardBytes: 188 }), [file]);
    assert.deepEqual(readdirSync(folder), ["model.safetensors"]);
  });

  for (const { sizes, limit, files, metadata } of splits) {
    it(`divides ${JSON.stringify(sizes)} at ${limit} bytes as Hugging Face's function does`, () => {
      const folder = newFolder();
      const items = Object.entries(sizes).map(([name, n]): [string, Tensor] => [name, randn([n])]);
      const file = join(folder, "model.safetensors");
      const [index = "", ...shards] = writeSafetensors(file, items, {}, { maxShardBytes: limit });
      assert.deepEqual(
        shards.map((path) => basename(path)),
        [...new Set(Object.values(files))].sort(),
      );
      assert.deepEqual(
        readdirSync(folder).sort(),
        [...shards, index].map((f) => basename(f)).sort(),
      );
      assert.deepEqual(JSON.parse(readFileSync(index, "utf8")), { metadata, weight_map: files });
      using weights = openWeightFile(index);
      assert.equal(weights.metadata["total_size"], String(metadata["total_size"]));
      for (const [name, tensor] of items) {
        assert.deepEqual(weights.tensor(name).data(), tensor.data());
        const target = zeros(tensor.shape);
        weights.readInto(name, target);
        assert.deepEqual(target.data(), tensor.data());
      }
    });
  }

  it("leaves nothing half-written where a shard fails", () => {
    const folder = newFolder();
    mkdirSync(join(folder, "model-00002-of-00003.safetensors"));
    assert.throws(() =>
      writeSafetensors(join(folder, "model.safetensors"), entries(), {}, { maxShardBytes: 64 }),
    );
    assert.equal(existsSync(join(folder, "model-00001-of-00003.safetensors")), false);
    assert.equal(existsSync(join(folder, "model.safetensors.index.json")), false);
  });
});

it("reads shards of torch.save, as pytorch_model.bin.index.json names them", () => {
  const folder = newFolder();
  const golden = new URL("../../../../test/goldens/weights/protocol-5.pt", import.meta.url);
  copyFileSync(golden, join(folder, "pytorch_model-00001-of-00001.bin"));
  const file = "pytorch_model-00001-of-00001.bin";
  const index = join(folder, "pytorch_model.bin.index.json");
  writeFileSync(index, JSON.stringify({ metadata: {}, weight_map: { a: file, b: file } }));
  using weights = openWeightFile(index);
  assert.deepEqual(weights.info("a").shape, [2, 3]);
  assert.deepEqual([...weights.tensor("b").data()], [0n, 1n, 2n]);
});

describe("an index that is refused", () => {
  const write = (json: unknown): string => {
    const folder = newFolder();
    writeSafetensors(join(folder, "one.safetensors"), [["a", zeros([2])]]);
    writeSafetensors(join(folder, "two.safetensors"), [["b", zeros([2])]]);
    const index = join(folder, "model.safetensors.index.json");
    writeFileSync(index, typeof json === "string" ? json : JSON.stringify(json));
    return index;
  };
  const map = (places: object): object => ({ metadata: {}, weight_map: places });
  const both = { a: "one.safetensors", b: "two.safetensors" };
  const cases: [string, unknown, RegExp][] = [
    ["cut JSON", '{"weight_map":', /not valid JSON/],
    ["no map", { metadata: {} }, /has no weight_map/],
    ["a map of numbers", map({ a: 1 }), /"a" lies in 1, which is no file of its folder/],
    ["a path upwards", map({ a: "../one.safetensors" }), /lies in "\.\.\/one.safetensors", which/],
    ["a path inwards", map({ a: "x/one.safetensors" }), /which is no file of its folder/],
    ["an absolute path", map({ a: "/etc/passwd.bin" }), /which is no file of its folder/],
    ["a path of Windows", map({ a: "..\\one.safetensors" }), /which is no file of its folder/],
    ["another index", map({ a: "model.safetensors.index.json" }), /which is no file of its folder/],
    ["a missing file", map({ a: "three.safetensors" }), /three\.safetensors is missing beside it/],
    [
      "a name twice",
      '{"weight_map":{"a":"one.safetensors","a":"two.safetensors"}}',
      /it has a name twice/,
    ],
    ["a map twice", '{"weight_map":{},"weight_map":{"a":"one.safetensors"}}', /a name twice/],
  ];
  for (const [name, json, message] of cases) {
    it(name, () => {
      assert.throws(
        () => openWeightFile(write(json)),
        (error: unknown) => {
          assert.ok(error instanceof CheckpointError);
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }

  it("has a name that its file lacks, or lacks one of its file", () => {
    const lacking = openWeightFile(write(map({ ...both, c: "one.safetensors" })));
    assert.throws(() => lacking.info("a"), /"c" is in the index but not in the file/);
    assert.deepEqual(lacking.tensor("b").shape, [2]);
    const more = openWeightFile(write(map({ a: "one.safetensors", c: "two.safetensors" })));
    assert.throws(() => more.tensor("c"), /"b" is in the file but not there in the index/);
    assert.throws(() => more.tensor("b"), /Expected a tensor "b" in .* but it has none/);
    lacking.close();
    assert.throws(() => lacking.tensor("b"), /to be open but it was closed/);
  });
});
