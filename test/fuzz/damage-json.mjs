/** Damage to what a JSON file says, where damage to its bytes would only make it no JSON. */

/** @typedef {import("./random.mjs").Random} Random */

/** @type {readonly unknown[]} */
const values = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  255,
  1e9,
  2 ** 31,
  2 ** 53,
  1e308,
  "",
  "a",
  " ",
  "\u0000",
  "\ud800",
  "(",
  "(a+)+$",
  "__proto__",
  "constructor",
  [],
  {},
  [[]],
  [null],
  { type: "Sequence" },
];

/**
 * The same with one to three of its values replaced, removed, doubled or taken from elsewhere in it.
 * @param {unknown} json
 * @param {Random} random
 */
export function damageJson(json, random) {
  const made = { root: structuredClone(json) };
  for (let times = 1 + random.below(3); times > 0; times--) damageOne(made, random);
  return made.root;
}

/**
 * `bytes`, a damaged form of `whole`: where they are no JSON any longer, mostly damage to what `whole`
 * says instead.
 * @param {Uint8Array} bytes
 * @param {Uint8Array} whole
 * @param {Random} random
 */
export function mostlyJson(bytes, whole, random) {
  if (isJson(bytes) || random.below(8) === 0) return bytes;
  const damaged = damageJson(JSON.parse(Buffer.from(whole).toString()), random);
  return Buffer.from(JSON.stringify(damaged) ?? "");
}

/** @param {Uint8Array} bytes */
function isJson(bytes) {
  try {
    JSON.parse(Buffer.from(bytes).toString());
    return true;
  } catch {
    return false;
  }
}

/** @param {{ root: unknown }} made @param {Random} random */
function damageOne(made, random) {
  const { holder, key } = place(made, random);
  if (Array.isArray(holder) && random.below(3) === 0) {
    const item = holder[Number(key)];
    if (random.below(2)) holder.splice(Number(key), 1);
    else holder.splice(Number(key), 0, structuredClone(item));
    return;
  }
  const other = place(made, random);
  const found = random.below(3) ? random.pick(values) : other.holder[other.key];
  if (random.below(6) === 0 && holder !== made) delete holder[key];
  else holder[key] = structuredClone(found);
}

/**
 * A value, found by going down from the root: rare keys of the top are met as often as any entry of a
 * large vocabulary.
 * @param {{ root: unknown }} made
 * @param {Random} random
 */
function place(made, random) {
  let holder = /** @type {any} */ (made);
  let key = "root";
  for (;;) {
    const inner = holder[key];
    const keys = typeof inner === "object" && inner !== null ? Object.keys(inner) : [];
    if (keys.length === 0 || (holder !== made && random.below(4) === 0)) return { holder, key };
    holder = inner;
    key = random.pick(keys);
  }
}
