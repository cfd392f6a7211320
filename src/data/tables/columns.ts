/** Which columns of a table hold the picture, the captions and the label. */
import { DataError, didYouMean } from "../../errors.ts";

export interface WantedColumns {
  image?: string | undefined;
  caption?: string | undefined;
  label?: string | undefined;
}

export interface ChosenColumns {
  image: string;
  /** Undefined where the pictures have labels instead. */
  caption: string | undefined;
  label: string | undefined;
  /** The others. */
  others?: readonly string[];
}

/** Names that files of Hugging Face, open_clip, img2dataset and published sets use; the default first. */
const KNOWN = {
  image: [
    "image",
    "image_path",
    "image_file",
    "image_name",
    "img",
    "img_path",
    "filepath",
    "file_path",
    "file_name",
    "filename",
    "path",
    "file",
  ],
  caption: [
    "caption",
    "captions",
    "text",
    "texts",
    "title",
    "description",
    "sentence",
    "sentences",
    "comment",
  ],
  label: ["label", "cls"],
} as const;

/** Names of columns with the bytes of pictures; img2dataset names them by their format. */
const PICTURES: readonly string[] = [
  ...KNOWN.image,
  ...["jpg", "jpeg", "png", "webp", "bytes", "image_bytes", "img_bytes", "image_data"],
];

/**
 * As `chooseColumns`, where some columns may hold bytes: one of those is the picture where there is one.
 */
export function choosePictureColumns(
  names: readonly string[],
  binary: readonly string[],
  wanted: WantedColumns,
  file: string,
): ChosenColumns {
  const found = choose("image", binary, {}, file, PICTURES);
  const image = wanted.image ?? found;
  return chooseColumns(names, { ...wanted, image }, file);
}

/** Columns that hold addresses, for the message where there is no picture. */
const ADDRESSES = /^(image_?)?ur[il]s?$/i;

/** What is no name of a column, but a picture's: of a table without a header. */
const VALUES = /\.(jpe?g|png|webp|gif|svg)(#\d+)?$|^https?:/i;

/** Whether what stands for a column's name is a picture's. */
export function isPictureName(name: string): boolean {
  return VALUES.test(name);
}

/**
 * The columns by their names as wanted, else by known names, however their words are joined. A name that is not
 * the default is taken only where it is the only known one.
 *
 * throws   DataError for a column that is missing or could be several
 */
export function chooseColumns(
  names: readonly string[],
  wanted: WantedColumns,
  file: string,
): ChosenColumns {
  const image = choose("image", names, wanted, file, KNOWN.image);
  if (image === undefined) throw missing("image", names, file);
  const label = choose("label", names, wanted, file, KNOWN.label);
  const caption = choose("caption", names, wanted, file, KNOWN.caption);
  if (caption === undefined && label === undefined) throw missing("caption", names, file);
  for (const name of [image, caption, label]) {
    if (name === undefined || names.indexOf(name) === names.lastIndexOf(name)) continue;
    throw new DataError(
      `Expected one column "${name}" in ${file} but received several; rename the others`,
      { source: file },
    );
  }
  const chosen = [image, caption, label, ""];
  const others = [...new Set(names)].filter((name) => !chosen.includes(name));
  return { image, caption, label, ...(others.length > 0 && { others }) };
}

/** How well the names of columns suit: 2 with a picture and a caption or label, 1 with a picture. */
export function suitability(names: readonly string[], wanted: WantedColumns): 0 | 1 | 2 {
  const has = (role: keyof WantedColumns): boolean => {
    const name = wanted[role];
    return name === undefined ? candidates(names, KNOWN[role]).length > 0 : names.includes(name);
  };
  if (!has("image")) return 0;
  return has("caption") || has("label") ? 2 : 1;
}

function candidates(names: readonly string[], known: readonly string[]): string[] {
  const usual = known.map(plainName);
  return names.filter((name) => usual.includes(plainName(name)));
}

/** `Image Path`, `image-path` and `imagePath` are `image_path`. */
function plainName(name: string): string {
  return name.toLowerCase().replace(/[\s_-]+/g, "");
}

function choose(
  role: keyof WantedColumns,
  names: readonly string[],
  wanted: WantedColumns,
  file: string,
  known: readonly string[],
): string | undefined {
  const name = wanted[role];
  if (name !== undefined) {
    if (names.includes(name)) return name;
    throw missing(role, names, file, name);
  }
  const found = candidates(names, known);
  const byDefault = known[0] as string;
  if (found.includes(byDefault)) return byDefault;
  const [first] = found.filter((one) => plainName(one) === byDefault).concat(found);
  if (found.length <= 1 || plainName(first!) === byDefault) return first;
  throw new DataError(
    `Expected one column of ${role}s in ${file} but received ${found.join(", ")}; ` +
      `name one of them in source.${role}`,
    { source: file },
  );
}

function missing(
  role: keyof WantedColumns,
  names: readonly string[],
  file: string,
  name: string = role,
): DataError {
  const shown = names.slice(0, 20).map((one) => one.slice(0, 60));
  const more = names.length > shown.length ? `, and ${names.length - shown.length} more` : "";
  const addresses = role === "image" && names.some((one) => ADDRESSES.test(one));
  const cure = addresses
    ? "download the pictures first, for example with img2dataset"
    : names.some(isPictureName)
      ? "begin the table with a line of names, such as image and caption"
      : `name the column in source.${role}`;
  const alone =
    names.length === 1 && /[,;|\t:]/.test(shown[0] ?? "") ? ", or set source.delimiter" : "";
  return new DataError(
    `Expected a column "${name}" in ${file} but received ${shown.join(", ")}${more}; ` +
      `${cure}${alone}.${didYouMean(name, names)}`,
    { source: file },
  );
}
