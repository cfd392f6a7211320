import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { CheckpointError } from "../../../errors.ts";
import { global, pickle, textOf } from "../../../../test/support/pickle-writer.ts";
import { writeZip } from "../../../../test/support/zip-writer.ts";
import { openWeightFile } from "../open-weight-file.ts";
import { torchFileIn, type TorchFile } from "./torch-file.ts";
import { PickleList, type PickleDict } from "./pickle-values.ts";
import { unpickle } from "./unpickle.ts";
import { openSource } from "../byte-source.ts";

const openTorch = (file: string): TorchFile => torchFileIn(openSource(file));

const folder = mkdtempSync(join(tmpdir(), "limn-pickle-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const proof = join(folder, "executed");
const shell = textOf(`touch ${proof}`);
const python = textOf(`open(${JSON.stringify(proof)}, "w")`);

/** Each would create the file `proof` if it were loaded by Python's pickle. */
const attacks: [string, Uint8Array, RegExp][] = [
  ["os.system by REDUCE", pickle(global("os", "system"), shell, "\x85R"), /asks for os\.system/],
  ["posix.system by REDUCE", pickle(global("posix", "system"), shell, "\x85R"), /posix\.system/],
  [
    "builtins.eval by REDUCE",
    pickle(global("builtins", "eval"), python, "\x85R"),
    /asks for builtins\.eval/,
  ],
  [
    "builtins.exec by STACK_GLOBAL",
    pickle(textOf("builtins"), textOf("exec"), "\x93", python, "\x85R"),
    /asks for builtins\.exec/,
  ],
  [
    "posix.system by STACK_GLOBAL with names from the memo",
    pickle(textOf("posix"), "q\0", textOf("system"), "q\x01", "00h\0h\x01\x93", shell, "\x85R"),
    /asks for posix\.system/,
  ],
  ["os.system by INST", pickle("(", shell, "ios\nsystem\n"), /asks for os\.system/],
  ["os.system by OBJ", pickle("(", global("os", "system"), shell, "o"), /asks for os\.system/],
  [
    "subprocess.Popen by NEWOBJ",
    pickle(global("subprocess", "Popen"), textOf("touch"), textOf(proof), "\x86\x85\x81"),
    /asks for subprocess\.Popen/,
  ],
  [
    "subprocess.Popen by NEWOBJ_EX",
    pickle(global("subprocess", "Popen"), textOf("touch"), textOf(proof), "\x86\x85}\x92"),
    /asks for subprocess\.Popen/,
  ],
  [
    "an attribute that is called, by BUILD",
    pickle(
      global("builtins", "object"),
      ")\x81}",
      textOf("__setstate__"),
      global("os", "system"),
      "sb",
    ),
    /asks for os\.system/,
  ],
  [
    "os.system in the state of a TorchScript object",
    pickle(
      global("__torch__", "M"),
      ")\x81}",
      textOf("__setstate__"),
      global("os", "system"),
      "sb",
      shell,
      "b",
    ),
    /asks for os\.system/,
  ],
  [
    "a name of torch that runs code",
    pickle(global("torch.serialization", "load"), textOf(proof), "\x85R"),
    /asks for torch\.serialization\.load/,
  ],
  ["a dotted name", pickle(global("torch", "os.system"), shell, "\x85R"), /torch\.os\.system/],
  [
    "a dotted name in an admitted module",
    pickle(global("collections", "OrderedDict.__init__.__globals__"), ")R"),
    /asks for collections\.OrderedDict\.__init__/,
  ],
  ["copyreg's registry", pickle([0x82, 1]), /instruction 0x82/],
  ["a persistent name", pickle("Pabc\n"), /instruction 0x50/],
];

describe("a pickle that asks for something to be run", () => {
  for (const [name, bytes, message] of attacks) {
    it(`is refused with nothing executed: ${name}`, () => {
      const file = join(folder, "attack.pt");
      const data = (content: string): Uint8Array => Buffer.from(content);
      writeFileSync(
        file,
        writeZip([
          { name: "archive/data.pkl", data: bytes },
          { name: "archive/byteorder", data: data("little") },
          { name: "archive/version", data: data("3\n") },
        ]),
      );
      for (const open of [() => openTorch(file), () => openWeightFile(file)]) {
        assert.throws(open, (error: unknown) => {
          assert.ok(error instanceof CheckpointError, String(error));
          assert.match(error.message, message);
          return true;
        });
      }
      assert.equal(existsSync(proof), false);
    });
  }

  it("does run in Python where there is one: the attacks are real", (t) => {
    const [, bytes] = attacks[0]!;
    try {
      execFileSync("python3", ["-c", "import pickle, sys; pickle.load(sys.stdin.buffer)"], {
        input: bytes,
        stdio: ["pipe", "ignore", "ignore"],
      });
    } catch {
      t.skip("there is no python3");
      return;
    }
    assert.equal(existsSync(proof), true);
    rmSync(proof);
  });
});

describe("a damaged pickle", () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ["nothing", Uint8Array.of(), /cut off at byte 0/],
    ["no protocol", Buffer.from("."), /no pickle of protocol 2 to 5/],
    ["protocol 1", Buffer.from("\x80\x01.", "latin1"), /protocol 1/],
    ["an empty stack", pickle(), /a value that is not there/],
    ["two values", pickle("NN"), /leaves values behind/],
    ["an open mark", pickle("(N"), /leaves values behind/],
    ["no mark", pickle("t"), /a mark that is not there/],
    ["a long string", pickle("X", [255, 255, 255, 255]), /cut off at byte/],
    ["a string of 2^63 bytes", pickle([0x8d, 255, 255, 255, 255, 255, 255, 255, 255]), /cut off/],
    ["a memo that is empty", pickle("h\x05"), /recalls the value 5/],
    ["a long number", pickle([0x8a, 255], new Uint8Array(255)), /number of 255 bytes/],
    ["bytes that are no UTF-8", pickle([0x8c, 1, 255]), /not UTF-8/],
    ["a key alone", pickle("}(Nu"), /a key without a value/],
    ["items for a number", pickle("K\x01(NNu"), /fills no dict/],
    ["items for a tuple", pickle(")Na"), /fills no list/],
    ["state for a list", pickle("]}b"), /sets the state of a value that has none/],
    ["a call of a string", pickle(textOf("os.system"), ")R"), /calls a string/],
    ["a storage of no type", pickle(textOf("storage"), "\x85Q"), /names a storage in an odd way/],
    [
      "a tensor of a number",
      pickle(global("torch._utils", "_rebuild_tensor_v2"), "K\x01\x85R"),
      /_rebuild_tensor_v2 odd operands/,
    ],
  ];
  for (const [name, bytes, message] of cases) {
    it(`is refused: ${name}`, () => {
      assert.throws(() => unpickle(bytes), { name: "Error", message });
    });
  }
});

describe("unpickle", () => {
  it("gives plain values", () => {
    const value = unpickle(
      pickle("}(", textOf("a"), "K\x05", textOf("b"), [0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 128, 0], "u"),
    ) as PickleDict;
    assert.deepEqual(
      [...value.entries],
      [
        ["a", 5],
        ["b", 2n ** 63n],
      ],
    );
    assert.equal(unpickle(pickle("J", [254, 255, 255, 255])), -2);
    assert.equal(unpickle(pickle([0x8a, 1, 0xff])), -1);
    assert.equal(unpickle(pickle("G", [0x3f, 0xe0, 0, 0, 0, 0, 0, 0])), 0.5);
  });

  it("takes 100,000 tuples in one another without a deep stack", () => {
    const deep = Buffer.concat([Buffer.alloc(100_000, "("), Buffer.alloc(100_000, "t")]);
    assert.ok(unpickle(pickle(deep)) instanceof PickleList);
  });

  it("answers values that hold themselves with an error, not without end", () => {
    const file = join(folder, "loop.pt");
    // d = {}; d["a"] = d
    const loop = pickle("}q\0", textOf("a"), "h\0s");
    writeFileSync(file, writeZip([{ name: "x/data.pkl", data: loop }]));
    using torch = openTorch(file);
    assert.throws(() => torch.value([]), /nested without end/);
    assert.throws(() => torch.weights(["a", "a"]), /"a" of it is no tensor/);
  });
});

describe("a PyTorch archive", () => {
  const open = (parts: Record<string, Uint8Array | string>): unknown => {
    const file = join(folder, "archive.pt");
    const entries = Object.entries(parts).map(([name, data]) => ({
      name,
      data: typeof data === "string" ? Buffer.from(data) : data,
    }));
    writeFileSync(file, writeZip(entries));
    return openTorch(file).weights();
  };
  /** {"w": tensor of float32 with these numbers} over the storage `0`. */
  const tensor = (count: number, offset: number, side: number, stride: number): Uint8Array => {
    const number = (value: number): number[] => [
      0x4a,
      value & 255,
      (value >> 8) & 255,
      (value >> 16) & 255,
      value >>> 24,
    ];
    return pickle(
      "}", textOf("w"), global("torch._utils", "_rebuild_tensor_v2"), "((", textOf("storage"),
      global("torch", "FloatStorage"), textOf("0"), textOf("cpu"), number(count), "tQ",
      number(offset), number(side), "\x85", number(stride), "\x85\x89Nt", "Rs",
    ); // prettier-ignore
  };
  const cases: [string, Record<string, Uint8Array | string>, RegExp][] = [
    ["without a pickle", { "x/version": "3" }, /without a data\.pkl/],
    ["with two", { "x/data.pkl": "", "y/data.pkl": "" }, /more than one data\.pkl/],
    ["of another byte order", { "x/data.pkl": "", "x/byteorder": "big" }, /in the order "big"/],
    ["without its storage", { "x/data.pkl": tensor(4, 0, 4, 1) }, /storage 0, which is missing/],
    [
      "with a short storage",
      { "x/data.pkl": tensor(4, 0, 4, 1), "x/data/0": "12345678" },
      /storage 0 of tensor "w" has 8 bytes in place of 16/,
    ],
    [
      "with an offset beyond it",
      { "x/data.pkl": tensor(2, 1, 2, 1), "x/data/0": "12345678" },
      /"w" \[2\] ends at byte 12 of its storage of 8/,
    ],
    [
      "with strides beyond it",
      { "x/data.pkl": tensor(2, 0, 2, 2), "x/data/0": "12345678" },
      /"w" \[2\] ends at byte 12/,
    ],
    [
      "with a tensor blown up by a stride of 0",
      { "x/data.pkl": tensor(2, 0, 2 ** 30, 0), "x/data/0": "12345678" },
      /"w" repeats 8 bytes to \[1073741824\]/,
    ],
    [
      "with a negative side",
      { "x/data.pkl": tensor(2, 0, -1, 1), "x/data/0": "12345678" },
      /odd op/,
    ],
  ];
  for (const [name, parts, message] of cases) {
    it(`is refused ${name}`, () => assert.throws(() => open(parts), message));
  }
});
