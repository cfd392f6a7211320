import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { StorageError } from "../errors.ts";
import {
  asOnlyWriterOf,
  checkApart,
  existingFolder,
  removeFolder,
  writeFolderAtomically,
} from "./atomic-folder.ts";
import { writeFileAtomically } from "./atomic-write.ts";
import { recordName } from "./folder-record.ts";
import { thisProcess } from "./owner.ts";

const root = mkdtempSync(join(realpathSync(tmpdir()), "limn-folder-"));
after(() => rmSync(root, { recursive: true }));

const failure = (code: string): Error => Object.assign(new Error(code), { code });

const write = (folder: string, text: string): Promise<void> =>
  writeFolderAtomically(folder, (partial) => {
    mkdirSync(join(partial, "inner"));
    writeFileSync(join(partial, "inner", "file"), text);
  });
const previousOf = (folder: string): string =>
  join(dirname(folder), `.${basename(folder)}.limn-previous`);
const read = (folder: string): string => readFileSync(join(folder, "inner", "file"), "utf8");

describe("writeFolderAtomically", () => {
  it("keeps the old folder when the new one fails", async () => {
    const parent = mkdtempSync(join(root, "fail-"));
    const folder = join(parent, "model");
    await write(folder, "old");
    const fails = writeFolderAtomically(folder, (partial) => {
      writeFileSync(join(partial, "half"), "");
      return Promise.reject(failure("ENOSPC"));
    });
    await assert.rejects(fails, /free disk space for writing .*model but received ENOSPC/);
    assert.equal(read(folder), "old");
    assert.deepEqual(readdirSync(parent), ["model"]);
  });

  it("names the folder, not the temporary file in it, when the disk is full", async () => {
    const folder = join(root, "named");
    const fill = (): never => {
      throw failure("ENOSPC");
    };
    const fails = writeFolderAtomically(folder, (partial) =>
      writeFileAtomically(join(partial, "weights"), fill),
    );
    await assert.rejects(fails, { file: folder, message: /for writing .*named but/ });
  });

  it("makes the folders above and replaces what is there", async () => {
    const folder = join(root, "a", "b", "model");
    await write(folder, "one");
    await write(folder, "two");
    assert.equal(read(folder), "two");
    assert.deepEqual(readdirSync(folder), [recordName, "inner"]);
    assert.deepEqual(readdirSync(join(root, "a", "b")), ["model"]);
  });

  it("finds and restores the old folder after a crash between the renames", async () => {
    const folder = join(root, "crashed");
    await write(folder, "old");
    renameSync(folder, previousOf(folder));
    assert.equal(read(existingFolder(folder)), "old");
    const fails = writeFolderAtomically(folder, () => Promise.reject(new Error("again")));
    await assert.rejects(fails, /again/);
    assert.equal(read(folder), "old");
    await write(folder, "new");
    assert.equal(read(folder), "new");
    assert.equal(existsSync(previousOf(folder)), false);
  });

  it("removes what dead processes left, not what living ones write", async () => {
    const parent = mkdtempSync(join(root, "left-"));
    const { pid: dead } = spawnSync(process.execPath, ["--version"]);
    const { host } = thisProcess();
    const left = [
      `model.partial-${host}-${process.ppid}-0`,
      `model.partial-another-container-${dead}-0`,
      "model.partial-another-container-1-0",
      "model.partial-notes",
    ];
    const gone = ["model", "another", ".model.limn-previous"];
    const names = gone.map((name) => `${name}.partial-${host}-${dead}-0`);
    for (const name of [...names, ...left]) mkdirSync(join(parent, name));
    await write(join(parent, "model"), "x");
    assert.deepEqual(readdirSync(parent).sort(), ["model", ...left].sort());
  });

  it("names the folder when a file stands in its way", async () => {
    writeFileSync(join(root, "plain"), "");
    await assert.rejects(write(join(root, "plain", "model"), "x"), StorageError);
  });
});

/** Every file below a folder with its text. */
const everything = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [file.slice(folder.length + 1), readFileSync(file, "utf8")]),
  );

describe("what limn did not write", () => {
  const filled: [string, RegExp, (folder: string) => void][] = [
    ["a file", /one with notes\.txt, which limn did not write/, add("notes.txt")],
    ["a hidden file", /one with \.env, which/, add(".env")],
    ["a file of limn's name", /one with inner\/file, which/, add("inner/file")],
    ["many files", /one with a, b, c and 2 more, which/, add("a", "b", "c", "d", "e")],
    ["an empty folder", /one with photos, which/, (folder) => mkdirSync(join(folder, "photos"))],
    ["a link", /one with link, which/, (folder) => symlinkSync("/", join(folder, "link"))],
    [
      "a link in place of its file",
      /one with inner\/file, which/,
      (folder) => {
        renameSync(join(folder, "inner/file"), join(folder, "../moved"));
        symlinkSync("../../moved", join(folder, "inner/file"));
      },
    ],
  ];
  for (const [what, message, change] of filled) {
    it(`is kept in a folder of limn's: ${what}`, async () => {
      const folder = join(mkdtempSync(join(root, "kept-")), "model");
      await write(folder, "old");
      change(folder);
      const before = everything(dirname(folder));
      await assert.rejects(write(folder, "new"), { name: "StorageError", file: folder, message });
      assert.deepEqual(everything(dirname(folder)), before);
    });
  }

  it("is kept in a folder that limn never wrote, whatever its files are named", async () => {
    const folder = mkdtempSync(join(root, "theirs-"));
    add("inner/file", "config.json", "model.safetensors")(folder);
    const before = everything(folder);
    await assert.rejects(write(folder, "new"), {
      message:
        "Expected a new or empty folder, or one of limn's own, for writing " +
        `${folder} but received one with config.json, inner and model.safetensors, which limn did ` +
        "not write; choose another folder, or move them away (nothing was changed)",
    });
    assert.deepEqual(everything(folder), before);
  });

  it("is kept where it has the name of limn's record", async () => {
    const folder = mkdtempSync(join(root, "named-"));
    add(recordName)(folder);
    await assert.rejects(
      write(folder, "new"),
      /one with \.limn-files\.json, which limn did not write/,
    );
    assert.deepEqual(readdirSync(folder), [recordName]);
  });

  it("is kept beside the target, whatever it is named", async () => {
    const folder = join(mkdtempSync(join(root, "beside-")), "model");
    const theirs = [`${folder}.previous`, `${folder}.partial`, `${folder}.old`];
    for (const one of theirs) add("notes.txt")(one);
    for (const text of ["one", "two"]) await write(folder, text);
    for (const one of theirs) assert.deepEqual(readdirSync(one), ["notes.txt"]);
    assert.equal(existingFolder(`${folder}.none`), `${folder}.none`);
  });

  it("is kept where a file, a pipe or a link to a file lies", async () => {
    const folder = mkdtempSync(join(root, "files-"));
    writeFileSync(join(folder, "thesis.txt"), "text");
    symlinkSync("thesis.txt", join(folder, "link"));
    for (const name of ["thesis.txt", "link", "thesis.txt/", "link/"]) {
      await assert.rejects(write(`${folder}/${name}`, "x"), {
        name: "StorageError",
        message: /^Expected a folder, or nothing yet, at .* but received a file; choose another/,
      });
    }
    await assert.rejects(write(join(folder, "link", "model"), "x"), /folders only on the path/);
    assert.equal(readFileSync(join(folder, "link"), "utf8"), "text");
    assert.deepEqual(readdirSync(folder), ["link", "thesis.txt"]);
  });

  it("is kept when it comes during the work", async () => {
    const folder = join(mkdtempSync(join(root, "meanwhile-")), "model");
    await write(folder, "old");
    const late = writeFolderAtomically(folder, () => add("notes.txt")(folder));
    await assert.rejects(late, /one with notes\.txt, which limn did not write/);
    assert.deepEqual(Object.keys(everything(folder)).sort(), [
      recordName,
      "inner/file",
      "notes.txt",
    ]);
    assert.deepEqual(readdirSync(dirname(folder)), ["model"]);
  });
});

describe("targets that are no plain name", () => {
  it("follow links to folders, which stay, and links to nothing yet", async () => {
    const parent = mkdtempSync(join(root, "links-"));
    mkdirSync(join(parent, "disk"));
    symlinkSync("disk", join(parent, "link"));
    symlinkSync("disk/later", join(parent, "dangling"));
    for (const [name, place] of [
      ["dangling", "disk/later"],
      ["link/model", "disk/model"],
      ["link/../beside", "beside"],
      ["new/inner/", "new/inner"],
    ] as const) {
      for (const text of ["one", "two"]) await write(`${parent}/${name}`, text);
      assert.equal(read(join(parent, place)), "two");
    }
    rmSync(join(parent, "disk"), { recursive: true });
    mkdirSync(join(parent, "disk"));
    for (const text of ["one", "two"]) await write(join(parent, "link"), text);
    assert.equal(read(join(parent, "disk")), "two");
    assert.ok(lstatSync(join(parent, "link")).isSymbolicLink());
    assert.deepEqual(readdirSync(parent), ["beside", "dangling", "disk", "link", "new"]);
  });

  it("refuse links in a circle", async () => {
    symlinkSync("circle", join(root, "circle"));
    await assert.rejects(write(join(root, "circle"), "x"), /links that lead somewhere/);
  });

  const inFolder = async (folder: string, body: () => Promise<void>): Promise<void> => {
    const before = process.cwd();
    process.chdir(folder);
    try {
      await body();
    } finally {
      process.chdir(before);
    }
  };

  it("fill the working directory where it is, and replace nothing there", async () => {
    const folder = mkdtempSync(join(root, "here-"));
    const before = lstatSync(folder).ino;
    await inFolder(folder, async () => {
      await assert.rejects(
        writeFolderAtomically(".", () => Promise.reject(failure("ENOSPC"))),
        /free disk space/,
      );
      assert.deepEqual(readdirSync("."), []);
      await write(".", "one");
      await assert.rejects(write(".", "two"), /inner, which cannot be replaced in one step here/);
    });
    assert.equal(lstatSync(folder).ino, before);
    assert.equal(read(folder), "one");
    assert.deepEqual(readdirSync(folder), [recordName, "inner"]);
  });

  it("fill it after a crash in between", async () => {
    const folder = mkdtempSync(join(root, "cut-"));
    await inFolder(folder, () => write(".", "one"));
    rmSync(join(folder, "inner"), { recursive: true });
    await inFolder(folder, () => write(".", "two"));
    assert.equal(read(folder), "two");
  });

  it("refuse outputs that are inputs, in them or around them", () => {
    const folder = mkdtempSync(join(root, "apart-"));
    add("a/in/file", "ab/file")(folder);
    symlinkSync("a", join(folder, "link"));
    const check = (out: string): void =>
      checkApart(join(folder, out), ["hf://a/b", join(folder, "a", "in")]);
    for (const [out, received] of [
      ["a/in/", "the same"],
      ["link/in", "the same"],
      ["a/in/out", "one inside"],
      ["link", "one around it"],
    ] as const) {
      assert.throws(
        () => check(out),
        new RegExp(`^StorageError: Expected another .* received ${received};`),
      );
    }
    for (const out of ["a/into", "ab", "b"]) check(out);
  });
});

describe("two writers of one folder", () => {
  it("of one process: the second is refused, and the lock goes, after a failure too", async () => {
    const folder = join(mkdtempSync(join(root, "two-")), "model");
    const second = async (): Promise<void> => {
      await assert.rejects(write(folder, "second"), {
        name: "StorageError",
        file: folder,
        message: new RegExp(
          `^Expected nobody else to write .*model but received a lock of process ${process.pid} on ` +
            "host .* \\(this one\\); wait until that has ended, or choose another place",
        ),
      });
    };
    await writeFolderAtomically(folder, second);
    const fails = writeFolderAtomically(folder, () => Promise.reject(new Error("mine")));
    await assert.rejects(fails, /mine/);
    await asOnlyWriterOf(folder, async () => {
      await assert.rejects(
        asOnlyWriterOf(folder, () => Promise.resolve()),
        StorageError,
      );
    });
    assert.deepEqual(readdirSync(dirname(folder)), ["model"]);
    assert.deepEqual(readdirSync(folder), [recordName]);
  });

  it("of two processes: the second is refused while the first lives, and takes over when it is killed", async () => {
    const folder = join(mkdtempSync(join(root, "processes-")), "model");
    const source = `
      import { asOnlyWriterOf } from ${JSON.stringify(new URL("./atomic-folder.js", import.meta.url).href)};
      await asOnlyWriterOf(${JSON.stringify(folder)}, async () => {
        console.log("begun");
        await new Promise((done) => setTimeout(done, 60_000));
      });`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    const work = (): Promise<number> => asOnlyWriterOf(folder, () => Promise.resolve(7));
    await assert.rejects(work(), new RegExp(`received a lock of process ${child.pid} on host`));
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.equal(await work(), 7);
    assert.deepEqual(readdirSync(folder), []);
  });

  it("of another host: refused, whatever the number of its process is here", async () => {
    const folder = mkdtempSync(join(root, "hosts-"));
    const { pid: dead } = spawnSync(process.execPath, ["--version"]);
    for (const pid of [1, process.pid, dead]) {
      writeFileSync(
        join(folder, ".limn-lock"),
        JSON.stringify({ id: "x", host: "another+4026531836", pid, began: "1" }),
      );
      await assert.rejects(
        asOnlyWriterOf(folder, () => Promise.resolve()),
        new RegExp(`received a lock of process ${pid} on host another; wait`),
      );
    }
  });
});

describe("removeFolder", () => {
  it("leaves nothing under the folder's name, nor under that of an old one", async () => {
    const folder = join(mkdtempSync(join(root, "removed-")), "model");
    await write(folder, "x");
    cpSync(folder, previousOf(folder), { recursive: true });
    removeFolder(folder);
    removeFolder(folder);
    assert.deepEqual(readdirSync(dirname(folder)), []);
  });
});

const asRoot = process.getuid?.() === 0;

describe("a parent that cannot be written", () => {
  it(
    "leaves an empty folder to be filled",
    { skip: asRoot && "root may write anywhere" },
    async () => {
      const parent = mkdtempSync(join(root, "locked-"));
      mkdirSync(join(parent, "model"));
      chmodSync(parent, 0o555);
      try {
        await write(join(parent, "model"), "x");
        await assert.rejects(write(join(parent, "other"), "x"), /write permission for writing/);
      } finally {
        chmodSync(parent, 0o755);
      }
      assert.equal(read(join(parent, "model")), "x");
    },
  );
});

function add(...names: string[]): (folder: string) => void {
  return (folder) => {
    for (const name of names) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), "mine");
    }
  };
}

it("checkApart names the output where a file is in its way", () => {
  const inTheWay = join(root, "in-the-way");
  writeFileSync(inTheWay, "");
  const file = join(inTheWay, "out");
  assert.throws(() => checkApart(file, [root]), { name: "StorageError", file });
});
