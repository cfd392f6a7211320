/** `limn doctor`: what this machine has, how fast it is and what is wrong. */
import { defineCommand, type Command } from "../command.ts";
import { collectFacts } from "../print/doctor-facts.ts";
import { diagnose, formatReport } from "../print/doctor-report.ts";

const command: Command = defineCommand({
  name: "doctor",
  summary:
    "Shows what this machine has, how fast its matrix products are, and what is wrong with its cure.\n" +
    "Exits with 1 where training could not run.",
  examples: ["limn doctor", "limn doctor --json"],
  async run({ print }) {
    const report = diagnose(await collectFacts());
    print(formatReport(report), report);
    return report.ok ? 0 : 1;
  },
});
export default command;
