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
  /** @param {string} text */
  const end = (text) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    // a progress figure may have taken the place of the line's beginning
    const beginning = terminal ? `\r\x1b[Klimn setup: ${title} ... ` : "";
    process.stderr.write(`${beginning}${text} (${seconds} s)\n`);
  };
  process.stderr.write(`limn setup: ${title} ... `);
  try {
    const result = await work();
    end(summary(result) || "done");
    return result;
  } catch (error) {
    end("failed");
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
