/** The one list of commands. Each is imported when it is called. */
import type { Command } from "./command.ts";

export interface CommandRow {
  readonly summary: string;
  readonly load: () => Promise<{ default: Command }>;
}

export interface GroupRow {
  readonly summary: string;
  readonly commands: CommandTable;
}

export type CommandTable = Readonly<Record<string, CommandRow | GroupRow>>;

export const commands: CommandTable = {
  setup: {
    summary: "find or fetch libtorch and build the engine",
    load: () => import("./setup.ts"),
  },
  doctor: {
    summary: "what this machine has, how fast it is and what is wrong",
    load: () => import("./doctor.ts"),
  },
};
