/** Times and sizes in their units. */

/** `12.3 ms`, `1.24 s`, `95 s`. */
export function formatSeconds(seconds: number): string {
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  if (size < 1) return `${(seconds * 1000).toFixed(size < 0.1 ? 1 : 0)} ms`;
  return `${seconds.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0)} s`;
}

/** `512 MB`, `1.25 GB`: powers of 1,000. */
export function formatBytes(bytes: number): string {
  const size = Math.abs(bytes);
  if (size >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  return `${(bytes / 1e6).toFixed(size >= 1e7 ? 0 : 1)} MB`;
}
