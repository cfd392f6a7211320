import { readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { note } from "./report.mjs";

const HEARTBEAT = 5_000;
const GIVEN_UP = 60_000;

/**
 * Runs `work` while no other setup runs on the same folder. A lock whose process is gone, or that
 * shows no sign of life for a minute, is taken over.
 * @template T
 * @param {string} folder
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(folder, work) {
  const file = path.join(folder, "setup.lock");
  const mine = `${process.pid} ${hostname()}`;
  let told = false;
  while (!acquire(file, mine)) {
    const holder = readHolder(file);
    if (holder === undefined) continue;
    if (abandoned(file, holder)) {
      takeAway(file, holder);
      continue;
    }
    if (!told) note(`waiting for another setup (process ${holder.split(" ")[0]})`);
    told = true;
    await sleep(200);
  }
  const heartbeat = setInterval(() => touch(file), HEARTBEAT);
  const release = () => rmSync(file, { force: true });
  process.once("exit", release);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    process.off("exit", release);
    release();
  }
}

/** @param {string} file @param {string} mine */
function acquire(file, mine) {
  try {
    writeFileSync(file, mine, { flag: "wx" });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
    throw error;
  }
}

/** @param {string} file */
function readHolder(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** @param {string} file @param {string} holder */
function abandoned(file, holder) {
  const [pid, host] = holder.split(" ");
  try {
    if (Date.now() - statSync(file).mtimeMs > GIVEN_UP) return true;
    if (host !== hostname()) return false;
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "ESRCH";
  }
}

/**
 * Two waiting processes may both judge a lock abandoned: the one that renames it first wins, and one
 * that renamed a fresh lock instead puts it back.
 * @param {string} file
 * @param {string} holder
 */
function takeAway(file, holder) {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
    if (readFileSync(aside, "utf8") !== holder) renameSync(aside, file);
    else rmSync(aside, { force: true });
  } catch {
    // another process was faster
  }
}

/** @param {string} file */
function touch(file) {
  try {
    utimesSync(file, new Date(), new Date());
  } catch {
    // taken over after a long sleep of this machine; the work goes on
  }
}
