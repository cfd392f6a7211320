import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { createLoader } from "../loader/loader.ts";
import { inspectSource } from "../inspect.ts";
import { openSource } from "./open-source.ts";
import { readSamples } from "./read-sample.ts";
import { linesOf, tarOf, workspace } from "./samples.test.helper.ts";
import type { SourceSpec } from "./source-spec.ts";

const { write } = workspace("sample-numbers");
const golden = JSON.parse(
  readFileSync(new URL("../../../../test/goldens/npy.json", import.meta.url), "utf8"),
) as { vectors: Record<string, { file: string }>; noVectors: Record<string, string> };
const vector = (name: string): Buffer => Buffer.from(golden.vectors[name]!.file, "base64");
const noVector = (name: string): Buffer => Buffer.from(golden.noVectors[name]!, "base64");
/** int8: -128, 0, 1, 127 */
const four = vector("int8");
const npyColumns = ["region", "year", "month", "y"];

function shards(files: Record<string, string | Uint8Array>, name = "x"): string[] {
  const bytes = tarOf(files);
  return [write(`${name}.tar`, bytes), write(`${name}.tar.gz`, gzipSync(bytes))];
}

async function metasOf(
  spec: Omit<Extract<SourceSpec, { shards: unknown }>, "kind">,
): Promise<unknown> {
  const metas: unknown[] = [];
  for await (const sample of readSamples(await openSource({ kind: "webdataset", ...spec }))) {
    metas.push("problem" in sample ? sample.problem.reason : sample.text.meta);
  }
  return metas;
}

describe("numbers beside pictures that are not what was asked for", () => {
  it("make a bad sample, which names both lengths, what is missing or what is wrong", async () => {
    const files = {
      "a.jpg": "A",
      "a.npy": vector("scalar"),
      "b.jpg": "B",
      "c.jpg": "C",
      "c.npy": noVector("matrix"),
      "d.jpg": "D",
      "d.npy": four.subarray(0, -1),
      "e.jpg": "E",
      "e.npy": four,
      "f.jpg": "F",
      "f.npy": Buffer.alloc(200_000),
    };
    for (const file of shards(files)) {
      assert.deepEqual(await linesOf({ kind: "webdataset", shards: file, npyColumns }), [
        "a!its .npy file cannot be read: it has 1 numbers, and npyColumns 4 names (region, year, month, y)",
        "b!it has no .npy file for region, year, month, y",
        "c!its .npy file cannot be read: it is an array of shape (2, 3), not a vector",
        "d!its .npy file cannot be read: it has 3 bytes for 4 elements of |i1",
        "e: ",
        "f!its .npy file cannot be read: it has 200000 bytes, more than the 84096 of a vector",
      ]);
      // Without names, arrays of other uses do no harm; what is damaged does.
      assert.deepEqual(await metasOf({ shards: file }), [
        { npy: [7] },
        undefined,
        undefined,
        "its .npy file cannot be read: it has 3 bytes for 4 elements of |i1",
        { npy: [-128, 0, 1, 127] },
        undefined,
      ]);
    }
  });

  it("are refused as a description", async () => {
    const open = (columns: unknown): Promise<unknown> =>
      openSource({ kind: "webdataset", shards: "a.tar", npyColumns: columns as string[] });
    await assert.rejects(open("y"), /a list of strings for source\.npyColumns but received "y"/);
    await assert.rejects(open([]), /a list of strings for source\.npyColumns/);
    await assert.rejects(open(["y", "x", "y"]), /names of which none is there twice/);
  });

  it("are listed by inspection", async () => {
    const picture = readFileSync(
      new URL("../../../../test/goldens/pictures/odd.png", import.meta.url),
    );
    const [file = ""] = shards({ "a.png": picture, "a.cls": "1", "a.npy": vector("scalar") });
    const source = { kind: "webdataset", shards: file, npyColumns } as const;
    const { badSamples } = await inspectSource({ source, check: "header" });
    assert.match(badSamples[0]?.reason ?? "", /it has 1 numbers, and npyColumns 4 names/);
  });
});

describe("numbers beside pictures", () => {
  it("are parts of the record under their names, and win over it", async () => {
    const files = {
      "a.jpg": "A",
      "a.json": '{"y": 9, "label": "cat", "source": "web"}',
      "a.npy": four,
      "b.jpg": "B",
      "b.npy": vector("float64"),
    };
    for (const file of shards(files)) {
      assert.deepEqual(await metasOf({ shards: file, npyColumns }), [
        { y: 127, source: "web", region: -128, year: 0, month: 1 },
        { region: -1.5, year: 0, month: 0.1, y: 3 },
      ]);
      assert.deepEqual(
        await metasOf({ shards: file, npyColumns: ["label", "caption", "b", "c"] }),
        [
          { y: 9, source: "web", label: -128, caption: 0, b: 1, c: 127 },
          { label: -1.5, caption: 0, b: 0.1, c: 3 },
        ],
      );
    }
  });

  it("come with batches of evaluation, and training does not read them", async () => {
    const files = {
      "a.jpg": "A",
      "a.npy": four,
      "b.jpg": "B",
      "b.npy": vector("bool"),
      "c.jpg": "C",
      "c.npy": vector("float64"),
    };
    const [file = "", packed = ""] = shards(files);
    const metas = async (options: object): Promise<unknown> => {
      const source = { kind: "webdataset", shards: file, npyColumns } as const;
      const loader = await createLoader({
        source,
        images: "skip",
        batchSize: 3,
        workers: 1,
        ...options,
      });
      const batch = await loader.next();
      await loader.close();
      return batch?.metas;
    };
    const bools = { region: 0, year: 1, month: 1, y: 0 };
    const floats = { region: -1.5, year: 0, month: 0.1, y: 3 };
    const expected = [{ region: -128, year: 0, month: 1, y: 127 }, bools, floats];
    assert.deepEqual(await metas({ mode: "evaluate" }), expected);
    const source = { kind: "webdataset", shards: packed, npyColumns } as const;
    assert.deepEqual(await metas({ mode: "evaluate", source }), expected);
    const marked = (await metas({ mode: "evaluate", floats: "marked" })) as Record<
      string,
      unknown
    >[];
    assert.deepEqual([typeof marked[2]?.["y"], typeof marked[0]?.["y"]], ["object", "number"]);
    const [cut = ""] = shards({ "a.jpg": "A", "a.npy": "cut" }, "cut");
    const training = { source: { kind: "webdataset", shards: cut, npyColumns }, batchSize: 1 };
    assert.equal(await metas({ ...training, onError: "fail" }), undefined);
    await assert.rejects(metas({ ...training, mode: "evaluate" }), /it is no file of numpy\.save/);
  });
});
