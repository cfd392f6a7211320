import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { fromOniguruma } from "./oniguruma.ts";

interface Golden {
  texts: string[];
  /** Per pattern and text: start and length of every match in turn; null where it is refused. */
  patterns: [source: string, matches: number[][] | null][];
}

const { texts, patterns } = JSON.parse(
  gunzipSync(
    readFileSync(new URL("../../../../test/goldens/oniguruma.json.gz", import.meta.url)),
  ).toString(),
) as Golden;

describe("fromOniguruma", () => {
  it("refuses what Hugging Face's tokenizers.js refuses, as a SyntaxError", () => {
    const refused = patterns.filter(([, matches]) => matches === null);
    assert.ok(refused.length > 200);
    for (const [source] of refused) {
      assert.throws(() => new RegExp(fromOniguruma(source), "gv"), SyntaxError, source);
    }
  });
  it("says what it cannot translate", () => {
    const cases: [string, RegExp][] = [
      ["[a-\\d]", /a range that ends with a set/],
      ["[\\d-a]", /a range that starts with a set/],
      ["[a&&]", /an empty class/],
      ["[&&a]", /an intersection with nothing/],
      ["[a", /a class without an end/],
      ["[[:foo:]]", /the POSIX class foo/],
      ["[".repeat(300), /classes more than 256 deep/],
    ];
    for (const [source, message] of cases) assert.throws(() => fromOniguruma(source), message);
  });
  it("matches where tokenizers.js does", () => {
    const known = patterns.filter(([, matches]) => matches !== null);
    assert.ok(known.length > 300);
    for (const [source, expected] of known) {
      const expression = new RegExp(fromOniguruma(source), "gv");
      const found = texts.map((text) =>
        [...text.matchAll(expression)].flatMap(({ index, 0: { length } }) => [index, length]),
      );
      assert.deepEqual(found, expected, source);
    }
  });
});
