/** GFLOP/s of float32 products through Tensor.mm, against the same libtorch in a loop of C++. */
import {
  fromData,
  libtorchVersion,
  noGrad,
  rawMatrixProductRate,
  scope,
  setThreadCount,
  type Tensor,
} from "../dist/src/torch/index.js";
import { usableCores } from "../dist/src/files/cores.js";
import { Peer } from "./peer.ts";
import { assertSameWork, commit, rounded, seconds, type BenchResult } from "./result.ts";

const rounds = 12;
const sizes: { n: number; repeats: number }[] = [
  { n: 1024, repeats: 16 },
  { n: 2048, repeats: 3 },
];

interface Figures {
  limn: number;
  raw: number;
  python: number;
}

/** Whole numbers from -5 to 5 and -6 to 6: their products and sums are exact in float32. */
function operands(n: number): [Tensor, Tensor] {
  const filled = (factor: number, modulus: number, shift: number): Tensor =>
    fromData(
      Float32Array.from({ length: n * n }, (_, i) => ((i * factor) % modulus) - shift),
      [n, n],
    );
  return [filled(7, 11, 5), filled(3, 13, 6)];
}

function check([a, b]: [Tensor, Tensor]): number[] {
  return scope(() => {
    const product = a.mm(b);
    const corner = product.narrow(0, 0, 2).narrow(1, 0, 2).contiguous();
    return [...corner.toFloat64Array(), product.to("float64").sum().item()];
  });
}

function measure([a, b]: [Tensor, Tensor], repeats: number): number {
  const elapsed = seconds(() => {
    for (let i = 0; i < repeats; i++) a.mm(b).dispose();
  });
  return (2 * a.size(0) ** 3 * repeats) / elapsed / 1e9;
}

async function compare(peer: Peer, n: number, repeats: number): Promise<Figures> {
  const pair = operands(n);
  assertSameWork(`[${n}, ${n}]`, check(pair), await peer.ask<number[]>({ run: "check", n }));
  const best: Figures = { limn: 0, raw: 0, python: 0 };
  // The best of several rounds in turn: what else the machine does only ever slows.
  for (let round = 0; round < rounds; round++) {
    best.raw = Math.max(best.raw, rawMatrixProductRate(n, repeats));
    best.limn = Math.max(
      best.limn,
      noGrad(() => measure(pair, repeats)),
    );
    const theirs = await peer.ask<number>({ run: "measure", n, repeats });
    best.python = Math.max(best.python, theirs);
  }
  for (const operand of pair) operand.dispose();
  return best;
}

export async function run(): Promise<BenchResult> {
  const threads = usableCores();
  setThreadCount(threads);
  const peer = new Peer("matrix_product.py");
  try {
    const { torch } = await peer.ask<{ torch: string }>({ run: "prepare", threads });
    const notes: Record<string, string | number> = {
      what: `best of ${rounds} rounds, ${threads} threads; limn, raw libtorch, Python's torch`,
      "libtorch of limn": libtorchVersion(),
      "torch of Python": torch,
    };
    let last: Figures = { limn: 0, raw: 1, python: 0 };
    for (const { n, repeats } of sizes) {
      last = await compare(peer, n, repeats);
      const [limn, raw, python] = [last.limn, last.raw, last.python].map(rounded);
      notes[`${n} x ${n}`] =
        `${limn}, ${raw}, ${python} GFLOP/s; ${rounded(last.limn / last.raw)} of raw`;
    }
    return {
      name: "matrix-product",
      limn: rounded(last.limn),
      peer: rounded(last.raw),
      unit: "GFLOP/s",
      ratio: rounded(last.limn / last.raw),
      commit: commit(),
      notes,
    };
  } finally {
    peer.close();
  }
}
