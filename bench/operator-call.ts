/** Microseconds per call of a small operator, against Python's torch. */
import {
  fromData,
  libtorchVersion,
  noGrad,
  scope,
  setThreadCount,
  tensor,
  zeros,
  type Tensor,
} from "../dist/src/torch/index.js";
import { Peer } from "./peer.ts";
import { assertSameWork, commit, rounded, type BenchResult } from "./result.ts";

const rounds = 9;
const count = 20_000;
/** Calls per scope: as in a training step, tensors are freed by the hundred. */
const perScope = 200;

type Body = () => Tensor;

function bodies(): Record<string, Body> {
  const tiny = tensor([1.5]);
  const matrix = fromData(
    Float32Array.from({ length: 64 }, (_, i) => i),
    [8, 8],
  );
  const target = zeros([1]);
  const leaf = tensor([1.5]).setRequiresGrad(true);
  return {
    add: () => tiny.add(tiny),
    addInPlace: () => target.add_(tiny),
    mulScalar: () => tiny.mul(2.5),
    mm: () => matrix.mm(matrix),
    view: () => matrix.view(4, 16),
    addWithGraph: () => leaf.add(leaf),
  };
}

/** Microseconds per call, freeing included. */
function measure(body: Body): number {
  const start = performance.now();
  for (let done = 0; done < count; done += perScope) {
    scope(() => {
      for (let i = 0; i < perScope; i++) body();
    });
  }
  return ((performance.now() - start) * 1000) / count;
}

const check = (body: Body): ArrayLike<number> =>
  scope(() => {
    body();
    body();
    return body().detach().toFloat64Array();
  });

export async function run(): Promise<BenchResult> {
  setThreadCount(1);
  const peer = new Peer("operator_call.py");
  try {
    const { torch } = await peer.ask<{ torch: string }>({ run: "prepare", threads: 1 });
    const best = new Map<string, { limn: number; peer: number }>();
    for (const [name, body] of Object.entries(bodies())) {
      const once = <T>(work: () => T): T => (name === "addWithGraph" ? work() : noGrad(work));
      assertSameWork(
        name,
        once(() => check(body)),
        await peer.ask({ run: "check", name }),
      );
      const figures = { limn: Infinity, peer: Infinity };
      // The best of several rounds in turn: what else the machine does only ever adds.
      for (let round = 0; round < rounds; round++) {
        figures.limn = Math.min(
          figures.limn,
          once(() => measure(body)),
        );
        const theirs = await peer.ask<number>({ run: "measure", name, count });
        figures.peer = Math.min(figures.peer, theirs);
      }
      best.set(name, figures);
    }
    return report(best, torch);
  } finally {
    peer.close();
  }
}

function report(best: Map<string, { limn: number; peer: number }>, torch: string): BenchResult {
  const { limn, peer } = best.get("add") as { limn: number; peer: number };
  const notes: Record<string, string | number> = {
    what: `tensor of one element, a + a, best of ${rounds} rounds of ${count}`,
    "libtorch of limn": libtorchVersion(),
    "torch of Python": torch,
  };
  for (const [name, figures] of best) {
    notes[name] = `${rounded(figures.limn)} against ${rounded(figures.peer)} us`;
  }
  return {
    name: "operator-call",
    limn: rounded(limn),
    peer: rounded(peer),
    unit: "us/call",
    ratio: rounded(peer / limn),
    commit: commit(),
    notes,
  };
}
