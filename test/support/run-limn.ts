/** Runs a command line inside this process. For tests. */
import { main } from "../../src/cli/main.ts";

/** The exit code of `limn <argv>` and what it wrote. */
export async function runLimn(
  ...argv: string[]
): Promise<{ code: number; out: string; err: string }> {
  const written = { out: "", err: "" };
  const { stdout, stderr } = process;
  const real = { out: stdout.write.bind(stdout), err: stderr.write.bind(stderr) };
  const capture =
    (name: "out" | "err") =>
    (chunk: string | Uint8Array): boolean => {
      // Commands write strings; bytes are the test runner's own messages.
      if (typeof chunk !== "string") return real[name](chunk);
      written[name] += chunk;
      return true;
    };
  stdout.write = capture("out");
  stderr.write = capture("err");
  try {
    return { code: await main(argv), ...written };
  } finally {
    stdout.write = real.out;
    stderr.write = real.err;
  }
}
