/** The texts of `--help`. */
import { commonOptions, type Command, type OptionSpec } from "../command.ts";

/** The help of one command: usage, options, examples. */
export function commandHelp({ name, summary, usage, options, examples }: Command): string {
  const own = Object.entries(options ?? {});
  const lines = [
    `Usage: limn ${[name, usage, "[options]"].filter(Boolean).join(" ")}`,
    "",
    summary,
    "",
    "Options:",
    ...table([...own, ...Object.entries(commonOptions)].map(optionRow)),
    "",
    examples.length === 1 ? "Example:" : "Examples:",
    ...examples.map((example) => `  ${example}`),
  ];
  return lines.join("\n");
}

/** The help of `limn` or of a group such as `limn data`. */
export function listHelp(name: string, rows: readonly [string, string][], tail: string[]): string {
  return [`Usage: ${name} <command> [options]`, "", "Commands:", ...table(rows), "", ...tail].join(
    "\n",
  );
}

function optionRow([name, spec]: [string, OptionSpec]): [string, string] {
  const short = spec.short ? `-${spec.short}, ` : "";
  const value = spec.type === "boolean" ? "" : ` ${spec.value ?? defaultValue(spec)}`;
  const notes = [
    spec.choices ? `one of ${spec.choices.join(", ")}` : "",
    spec.multiple ? "may be repeated" : "",
  ].filter(Boolean);
  return [`${short}--${name}${value}`, spec.help + (notes.length ? ` (${notes.join("; ")})` : "")];
}

function defaultValue(spec: OptionSpec): string {
  return spec.type === "string" ? "<text>" : "<number>";
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(28, Math.max(0, ...rows.map(([left]) => left.length)));
  return rows.flatMap(([left, right]) =>
    left.length > width
      ? [`  ${left}`, `  ${" ".repeat(width)}  ${right}`]
      : [`  ${left.padEnd(width)}  ${right}`],
  );
}
