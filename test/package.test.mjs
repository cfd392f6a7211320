/** The npm package: what is in it, and that another project can use it. No network. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const folder = fs.mkdtempSync(path.join(tmpdir(), "limn-package-"));
const installed = path.join(folder, "node_modules", "limn");
/** @type {string[]} */
let files = [];

before(() => {
  const npm = process.env.npm_execpath?.endsWith("npm-cli.js")
    ? [process.execPath, process.env.npm_execpath]
    : ["npm"];
  const [command = "npm", ...first] = npm;
  const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
  const output = execFileSync(command, [...first, ...args], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  // npm 12 answers with an object by name, older ones with a list
  const [answer] = Object.values(JSON.parse(output));
  files = answer.files.map((/** @type {{path: string}} */ file) => file.path);
  fs.mkdirSync(installed, { recursive: true });
  const tarball = path.join(folder, answer.filename);
  execFileSync("tar", ["xzf", tarball, "-C", installed, "--strip-components=1"]);
  linkDependencies();
  fs.writeFileSync(path.join(folder, "package.json"), '{"name":"empty","type":"module"}');
});

after(() => fs.rmSync(folder, { recursive: true, force: true }));

/** The packages that npm would put beside limn: this clone's own, by link. */
function linkDependencies() {
  const from = path.join(root, "node_modules");
  for (const name of fs.readdirSync(from)) {
    if (name.startsWith(".")) continue;
    fs.symlinkSync(path.join(from, name), path.join(folder, "node_modules", name));
  }
}

/**
 * @param {string[]} args
 * @param {string} home
 */
function node(args, home) {
  return spawnSync(process.execPath, args, {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, LIMN_HOME: home, LIMN_ADDON: "" },
  });
}

test("the package holds the library, the addon's sources and setup; no tests, no builds", () => {
  for (const file of ["bin/limn.mjs", "setup.mjs", "setup/main.mjs", "native/addon.cc"]) {
    assert.ok(files.includes(file), `${file} is missing`);
  }
  assert.ok(files.some((file) => file === "dist/src/cli/main.js"));
  const unwanted = files.filter((file) =>
    /\.test\.|^dist\/test\/|^src\/|^build\/|^test\/|\.node$|goldens|\.env|node_modules/.test(file),
  );
  assert.deepEqual(unwanted, []);
});

test("every compiled file that is imported is in the package", () => {
  const missing = [];
  for (const file of files.filter((name) => /^dist\/.*\.js$/.test(name))) {
    const text = fs.readFileSync(path.join(installed, file), "utf8");
    for (const [, target = ""] of text.matchAll(/(?:from|import\()\s*"(\.{1,2}\/[^"]+)"/g)) {
      const wanted = path.posix.join(path.posix.dirname(file), target);
      if (!files.includes(wanted)) missing.push(`${file} imports ${target}`);
    }
  }
  assert.deepEqual(missing, []);
});

test("limn exports what a user needs, and the rest in documented subpaths", () => {
  const declarations = fs.readFileSync(path.join(root, "dist", "src", "index.d.ts"), "utf8");
  const errors = fs.readFileSync(path.join(root, "dist", "src", "errors.d.ts"), "utf8");
  const braces = [...declarations.matchAll(/export (?:type )?\{([^}]*)\}/g)];
  const names = braces.flatMap(([, inside = ""]) => inside.split(",")).length;
  const count = names + (errors.match(/^export /gm)?.length ?? 0);
  assert.ok(count > 30 && count <= 100, `limn exports ${count} names`);
  const { exports } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
  const documented = fs.readFileSync(path.join(root, "docs", "api.md"), "utf8");
  for (const [subpath, target] of Object.entries(exports)) {
    if (typeof target === "string") continue;
    const name = path.posix.join("limn", subpath);
    assert.ok(documented.includes(`\`${name}\``), `${name} is not in docs/api.md`);
    for (const file of [target.types, target.default]) {
      assert.ok(files.includes(path.posix.normalize(file)), `${file} is not in the package`);
    }
  }
});

test("the command runs from another project", () => {
  const { stdout, status } = node(["node_modules/limn/bin/limn.mjs", "--version"], folder);
  assert.equal(status, 0);
  assert.equal(stdout, `${JSON.parse(fs.readFileSync(`${root}/package.json`, "utf8")).version}\n`);
});

test("without an engine, the doctor and the first use say: npx limn setup", () => {
  const { stdout, status } = node(["node_modules/limn/bin/limn.mjs", "doctor"], folder);
  assert.equal(status, 1);
  assert.match(stdout, /error: Expected limn's engine .*\n {2}cure: npx limn setup\n/);
  const code = 'const { tensor } = await import("limn/torch"); tensor([1]);';
  const { stderr } = node(["--input-type=module", "-e", code], folder);
  assert.match(stderr, /EngineError: Expected limn's engine .* run: npx limn setup/);
});

test("with this clone's engine, another project computes", { skip: !hasEngine() }, () => {
  fs.symlinkSync(path.join(root, "build"), path.join(installed, "build"));
  const code =
    'const { tensor } = await import("limn/torch"); console.log(tensor([1, 2]).add(tensor([3, 4])).sum().item());';
  const { stdout, stderr } = node(["--input-type=module", "-e", code], "");
  assert.equal(stdout, "10\n", stderr);
});

function hasEngine() {
  return fs.existsSync(path.join(root, "build", "engine.json"));
}
