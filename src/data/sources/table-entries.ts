/** The entries of a table of image paths, from its rows. */
import { existsSync } from "node:fs";
import { dirname, isAbsolute, join, sep } from "node:path";
import { addressOf } from "../paths/web-address.ts";
import { captionsOfCell, labelOfCell, pathOfCell } from "../tables/caption-cell.ts";
import type { ChosenColumns } from "../tables/columns.ts";
import type { RowCells } from "../tables/row-format.ts";
import { type NumberedRow, RowIndex } from "../tables/row-index.ts";
import type { OpenTable } from "../tables/scan-rows.ts";
import type { Entry, EntryList, SampleRef } from "./source.ts";

export interface TableEntries {
  file: string;
  /** Folder that paths start from; by default the file's own. */
  root?: string | undefined;
  columns: ChosenColumns;
  /** Whether the other columns are the samples' records. */
  records?: boolean | undefined;
  /** Whether rows that name the same image stay apart. */
  rowsApart?: boolean | undefined;
  /** What messages call a row. */
  row: "line" | "row";
}

/**
 * Reads a table once, to find where its rows are. Rows that name the same image are joined into one
 * entry with several captions, in the place of the first, unless they stay apart; bad rows are entries
 * by themselves.
 *
 * throws   Error with a short reason if the table cannot be read
 */
export async function listTable(table: OpenTable, given: TableEntries): Promise<EntryList> {
  const index = await RowIndex.build(table, (cells) => {
    const sample = sampleOf(cells, given.columns);
    return "reason" in sample || given.rowsApart === true ? undefined : sample.key;
  });
  return {
    length: index.length,
    at: (entry) => {
      try {
        return entryOf(index.rowsOf(entry), given);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        return { problem: { file: given.file, reason } };
      }
    },
  };
}

/** Characters of a path, as systems have it; what is longer may be a picture in base64. */
const MOST_PATH = 4096;

interface RowSample {
  key: string;
  captions: string[];
  label: string | undefined;
}

/** The sample of a row, or what is wrong with it. */
function sampleOf(
  { image, caption, label: cell }: RowCells,
  columns: ChosenColumns,
): RowSample | { reason: string; key?: string } {
  const key = pathOfCell(image);
  if (key === undefined) return { reason: `no image path in "${columns.image}"` };
  const address = addressOf(key);
  if (address !== undefined) return { key, reason: `its image is ${address}` };
  if (key.length > MOST_PATH) {
    return { reason: `no image path in "${columns.image}" but ${key.length} characters` };
  }
  const captions = captionsOfCell(caption);
  if (captions === undefined) {
    return { key, reason: `"${columns.caption}" is neither a string nor a list of strings` };
  }
  const label = labelOfCell(cell);
  if (label === undefined) {
    return { key, reason: `"${columns.label}" is neither a string nor a number` };
  }
  return { key, captions, ...label };
}

function entryOf(rows: readonly NumberedRow[], given: TableEntries): Entry {
  const { file, columns } = given;
  let ref: SampleRef | undefined;
  for (const { line, cells, reason } of rows) {
    const sample = cells === undefined ? { reason } : sampleOf(cells, columns);
    if ("reason" in sample) {
      const at = sample.key === undefined ? { file } : { file, key: sample.key };
      return { problem: { ...at, reason: `${given.row} ${line}: ${sample.reason}` } };
    }
    const { key, captions, label } = sample;
    if (ref === undefined) {
      const path = imagePath(given, key);
      ref = { key, file: path, image: { file: path, offset: 0 }, captions };
      if (label !== undefined) ref.label = label;
      // Of several rows of an image, those of the first.
      const others = given.records === true ? cells?.others?.() : undefined;
      if (others !== undefined && Object.keys(others).length > 0) ref.meta = others;
    } else ref.captions!.push(...captions);
  }
  return { ref: ref! };
}

/** Where the image of a cell is. Backslashes that no file's name has are those of Windows. */
export function imagePath(
  { file, root = dirname(file) }: Pick<TableEntries, "file" | "root">,
  image: string,
): string {
  const path = isAbsolute(image) ? image : join(root, image);
  const foreign = sep === "/" && path.includes("\\") && !existsSync(path);
  return foreign ? path.replaceAll("\\", "/") : path;
}
