/** `--templates`: built-in sets, texts with `{}`, files of them; the flag may be repeated. */
import { SettingError, UsageError } from "../../errors.ts";
import { readTemplates } from "../../text/read-templates.ts";

export const templateOption = {
  templates: {
    type: "string",
    multiple: true,
    value: "<set>",
    help:
      'bare, photo, simple, a text such as "an icon of {}", or a file, in lines or JSON; ' +
      "default the model's own, else photo",
  },
} as const;

/** The templates of the flags together; undefined without any. Throws UsageError as `readTemplates`. */
export function templatesOf(flags: readonly string[] | undefined): string[] | undefined {
  if (flags === undefined) return undefined;
  try {
    return readTemplates(flags, "--templates");
  } catch (cause) {
    if (!(cause instanceof SettingError)) throw cause;
    throw new UsageError(cause.message, { cause });
  }
}
