import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it, test } from "node:test";
import { crc32c, EventFile, maskedCrc32c } from "./event-file.ts";

interface Golden {
  wallTime: number;
  text: string;
  png: string;
  bytes: string;
}

const file = new URL("../../../../test/goldens/tensorboard-events.json", import.meta.url);
const golden = JSON.parse(readFileSync(file, "utf8")) as Golden;
const png = Buffer.from(golden.png, "base64");

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "limn-events-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe("crc32c", () => {
  it("gives the sums of RFC 3720, appendix B.4", () => {
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
    assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
    assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
  });

  it("masks within 32 bits", () => {
    const masked = maskedCrc32c(Buffer.from("123456789"));
    assert.ok(Number.isInteger(masked) && masked >= 0 && masked < 2 ** 32);
  });
});

describe("EventFile", () => {
  it("refuses pictures that are not PNG, bad steps, and writing after close", () => {
    const events = new EventFile({ directory });
    assert.throws(() => events.image("a", Uint8Array.of(0xff, 0xd8), 1), {
      name: "TypeError",
      message: /Expected the bytes of a PNG file but received 2 bytes of something else/,
    });
    assert.throws(() => events.scalar("a", 1, -1), RangeError);
    assert.throws(() => events.scalar("a", 1, 0.5), RangeError);
    events.close();
    events.close();
    assert.throws(() => events.scalar("a", 1, 1), { name: "DisposedError", message: /was closed/ });
  });

  it("writes the bytes that TensorBoard's own writer writes", () => {
    const now = (): number => golden.wallTime;
    const events = new EventFile({ directory, purgeStep: 300, now });
    events.scalars({ "train/loss": 3.5, "train/learningRate": 1e-6 }, 1);
    events.scalars({ "train/loss": NaN, "train/logitScale": 14.285714 }, 300);
    events.scalar("train/gradNorm", Infinity, 5_000_000_000);
    events.scalars({}, 6); // nothing to say, nothing written
    events.text("recipe", golden.text, 0);
    events.image("val/samples", png, 7);
    events.sync();
    events.close();
    assert.deepEqual(readFileSync(events.path), Buffer.from(golden.bytes, "base64"));
  });

  it("makes a new file each time, named in the order of time", () => {
    const at = (seconds: number): EventFile => new EventFile({ directory, now: () => seconds });
    const files = [at(999), at(999), at(1_700_000_000)];
    for (const each of files) each.close();
    assert.equal(readdirSync(directory).length, 3);
    const paths = files.map(({ path }) => path);
    assert.deepEqual(paths.toSorted(), paths);
    assert.match(paths[0] ?? "", /events\.out\.tfevents\.0000000999\.limn\.\d+\.0$/);
  });
});

test("a file in the way of the directory is a StorageError that names it", () => {
  const file = join(directory, "tensorboard");
  writeFileSync(file, "");
  assert.throws(() => new EventFile({ directory: file }), { name: "StorageError", file });
  const inside = join(file, "run");
  assert.throws(() => new EventFile({ directory: inside }), { name: "StorageError", file: inside });
});
