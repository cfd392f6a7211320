import assert from "node:assert/strict";
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { HubError } from "../errors.ts";
import { resolveSettings, type Environment } from "./settings.ts";

const home = path.resolve("/home/someone");
const read = (environment: Environment) =>
  resolveSettings({ environment: { HOME: home, ...environment } });

test("settings that cannot be used are refused, and secrets are not repeated", () => {
  const refused: [Environment, RegExp][] = [
    [
      { HF_ENDPOINT: "huggingface.co" },
      /Expected an address with https:.* for endpoint \(HF_ENDPOINT\)/,
    ],
    [
      { HF_ENDPOINT: "https://user:secret@mirror/hub" },
      /without user and password.* for endpoint \(HF_ENDPOINT\) but received one with them/,
    ],
    [{ HF_ENDPOINT: "https://mirror/hub?key=secret" }, /Expected an address with https:/],
    [{ HF_TOKEN: "hf_a\nb" }, /for token \(HF_TOKEN\) but received something else/],
    [{ HTTPS_PROXY: "socks5://user:secret@host" }, /for https_proxy, HTTPS_PROXY/],
    [{ HF_HUB_DOWNLOAD_TIMEOUT: "10s" }, /Expected whole seconds for HF_HUB_DOWNLOAD_TIMEOUT/],
  ];
  for (const [environment, message] of refused) {
    assert.throws(
      () => read(environment),
      (error) => {
        assert.ok(error instanceof HubError);
        assert.equal(error.failure, "settings");
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /secret|hf_a/);
        return true;
      },
    );
  }
  assert.throws(() => resolveSettings({ retries: -1 }), /at least 0 for retries but received -1/);
  assert.throws(() => resolveSettings({ idleTimeoutMs: 0 }), /at least 1 for idleTimeoutMs/);
});

test("the cache folder is where huggingface_hub looks for it", () => {
  const folder = (environment: Environment) => read(environment).cacheFolder;
  assert.equal(folder({}), path.join(home, ".cache/huggingface/hub"));
  assert.equal(folder({ XDG_CACHE_HOME: "/x" }), path.resolve("/x/huggingface/hub"));
  assert.equal(folder({ XDG_CACHE_HOME: "/x", HF_HOME: "~/hf" }), path.join(home, "hf/hub"));
  assert.equal(folder({ HF_HOME: "$DATA/hf", DATA: "/data" }), path.resolve("/data/hf/hub"));
  assert.equal(folder({ HF_HOME: "/h", HUGGINGFACE_HUB_CACHE: "/old" }), path.resolve("/old"));
  assert.equal(folder({ HF_HOME: "/h", HF_HUB_CACHE: "/new" }), path.resolve("/new"));
  assert.equal(folder({ HF_HUB_CACHE: "" }), path.join(home, ".cache/huggingface/hub"));
  const option = resolveSettings({ cacheFolder: "/o", environment: { HF_HUB_CACHE: "/new" } });
  assert.equal(option.cacheFolder, path.resolve("/o"));
});

test("the token comes from the option, the environment, or the file that Python's login writes", (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "limn-hub-"));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(path.join(folder, "hf"));
  writeFileSync(path.join(folder, "hf/token"), "hf_file\n");
  writeFileSync(path.join(folder, "other"), " hf_other \n");
  const env = { HF_HOME: path.join(folder, "hf") };
  assert.equal(read({ HF_HOME: folder }).token, undefined);
  assert.equal(read(env).token, "hf_file");
  assert.equal(read({ ...env, HF_TOKEN_PATH: path.join(folder, "other") }).token, "hf_other");
  assert.equal(read({ ...env, HF_TOKEN: "hf_env" }).token, "hf_env");
  assert.equal(read({ ...env, HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" }).token, undefined);
  assert.equal(resolveSettings({ environment: env, token: "hf_option" }).token, "hf_option");
  assert.equal(resolveSettings({ environment: env, token: false }).token, undefined);
});

test("endpoint, offline and proxies", () => {
  assert.equal(read({}).endpoint, "https://huggingface.co");
  assert.equal(read({ HF_ENDPOINT: "http://mirror/hub//" }).endpoint, "http://mirror/hub");
  assert.equal(read({}).offline, false);
  assert.equal(read({ HF_HUB_OFFLINE: "yes" }).offline, true);
  assert.equal(read({ HF_HUB_OFFLINE: "0" }).offline, false);
  assert.equal(read({ HF_HUB_DOWNLOAD_TIMEOUT: "7" }).idleTimeoutMs, 7000);
  assert.deepEqual(read({ HTTPS_PROXY: "proxy:3128", no_proxy: "a,b" }).proxy, {
    http: "",
    https: "http://proxy:3128",
    except: "a,b",
  });
});
