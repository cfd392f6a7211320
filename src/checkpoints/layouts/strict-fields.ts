/** The fields of a configuration of which none may be overlooked: each is read, fixed, or refused. */
import { isDeepStrictEqual } from "node:util";
import { CheckpointError, didYouMean } from "../../errors.ts";
import { isJsonObject, JsonFields, type JsonObject } from "../../files/json-fields.ts";

export class StrictFields extends JsonFields {
  readonly file: string;
  readonly path: string;
  readonly values: JsonObject;

  /** `path` stands before the field's name in messages: `vision_cfg.`. */
  constructor(file: string, path: string, values: JsonObject) {
    super(file, path, values);
    this.file = file;
    this.path = path;
    this.values = values;
  }

  /** Throws CheckpointError for a field that is not one of `known`, with the nearest name. */
  only(known: readonly string[]): void {
    for (const key of Object.keys(this.values)) {
      if (known.includes(key)) continue;
      throw new CheckpointError(
        this.file,
        `Expected fields that limn knows in ${this.file} but received ${this.path}${key};` +
          (didYouMean(key, known) || " limn cannot say what it changes, so it does not load it"),
      );
    }
  }

  /**
   * Throws CheckpointError unless each field has one of its values, or is absent or null: others
   * change what is computed, and limn has no tower that follows.
   */
  fixed(allowed: Readonly<Record<string, readonly unknown[]>>): void {
    for (const [key, values] of Object.entries(allowed)) {
      const value = this.raw(key);
      if (value === undefined || values.some((one) => isDeepStrictEqual(one, value))) continue;
      this.unsupported(key, values.map((one) => JSON.stringify(one)).join(" or ") || "nothing");
    }
  }

  /** The object under `key`, or an empty one. */
  section(key: string): StrictFields {
    const value = this.raw(key) ?? {};
    if (!isJsonObject(value)) return this.fail(key, "an object");
    return new StrictFields(this.file, `${this.path}${key}.`, value);
  }

  /** A string, or undefined where it is absent or null. */
  text(key: string): string | undefined {
    const value = this.raw(key);
    if (value === undefined || typeof value === "string") return value;
    return this.fail(key, "a string");
  }
}
