/** Writes zip archives for tests, whole ones and, field by field, wrong ones. */
import { crc32, deflateRawSync } from "node:zlib";

export interface ZipPart {
  name: string;
  data: Uint8Array;
  deflate?: boolean;
  /** Fields that say something else than what is there. */
  lies?: Partial<{
    size: number;
    compressed: number;
    crc: number;
    flags: number;
    method: number;
    header: number;
    localName: string;
  }>;
}

/** An archive of these entries; `end` overwrites what its last record says. */
export function writeZip(
  parts: readonly ZipPart[],
  end: Partial<{ count: number; length: number; start: number; comment: string }> = {},
): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const { name, data, deflate = false, lies = {} } of parts) {
    const stored = deflate ? deflateRawSync(data) : Buffer.from(data);
    const fields = {
      size: data.length,
      compressed: stored.length,
      crc: crc32(data),
      flags: 0,
      method: deflate ? 8 : 0,
      header: at,
      ...lies,
    };
    const called = Buffer.from(name);
    const own = Buffer.from(lies.localName ?? name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50);
    local.writeUInt16LE(fields.method, 8);
    local.writeUInt16LE(own.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50);
    entry.writeUInt16LE(fields.flags, 8);
    entry.writeUInt16LE(fields.method, 10);
    entry.writeUInt32LE(fields.crc, 16);
    entry.writeUInt32LE(fields.compressed, 20);
    entry.writeUInt32LE(fields.size, 24);
    entry.writeUInt16LE(called.length, 28);
    entry.writeUInt32LE(fields.header, 42);
    locals.push(local, own, stored);
    central.push(entry, called);
    at += local.length + own.length + stored.length;
  }
  const directory = Buffer.concat(central);
  const comment = Buffer.from(end.comment ?? "");
  const record = Buffer.alloc(22);
  record.writeUInt32LE(0x06054b50);
  record.writeUInt16LE(end.count ?? parts.length, 8);
  record.writeUInt16LE(end.count ?? parts.length, 10);
  record.writeUInt32LE(end.length ?? directory.length, 12);
  record.writeUInt32LE(end.start ?? at, 16);
  record.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...locals, directory, record, comment]);
}
