/** The hashes by which the hub names files. */
import { createHash, type Hash } from "node:crypto";

/**
 * The running hash that an etag is of: sha256 for a file in LFS (64 hex digits), git's sha1 of
 * "blob <size>\0" and the bytes for another (40). Undefined for an etag of another kind, whose
 * file is checked by its size alone.
 */
export function hashLike(etag: string, size: number): Hash | undefined {
  if (/^[0-9a-f]{64}$/.test(etag)) return createHash("sha256");
  if (/^[0-9a-f]{40}$/.test(etag)) return createHash("sha1").update(`blob ${size}\0`);
  return undefined;
}
