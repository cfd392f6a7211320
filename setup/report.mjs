/**
 * One line per stage on standard error, so that a command's own output stays clean. A stage that
 * has nothing to do says nothing.
 * @template T
 * @param {string} title
 * @param {() => Promise<T>} work
 * @param {(result: T) => string} [summary]
 * @returns {Promise<T>}
 */
export async function stage(title, work, summary = () => "") {
  const terminal = process.stderr.isTTY;
  const started = performance.now();
  process.stderr.write(terminal ? `limn setup: ${title} ...` : `limn setup: ${title} ...\n`);
  try {
    const result = await work();
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const detail = summary(result);
    const line = `limn setup: ${title}: ${detail || "done"} (${seconds} s)\n`;
    process.stderr.write(terminal ? `\r\x1b[K${line}` : line);
    return result;
  } catch (error) {
    if (terminal) process.stderr.write(`\r\x1b[Klimn setup: ${title}: failed\n`);
    throw error;
  }
}

/** @param {string} text */
export function note(text) {
  process.stderr.write(`limn setup: ${text}\n`);
}

/**
 * A progress figure on a terminal; nothing elsewhere.
 * @param {string} text
 */
export function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[Klimn setup: ${text}`);
}
