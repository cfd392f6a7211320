import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { describe, it } from "node:test";
import { runInNewContext } from "node:vm";
import { setFlagsFromString } from "node:v8";
import { DisposedError } from "../errors.ts";
import { memory, ones, scope, scopeDepth, tensor, type Tensor } from "./index.ts";

/** Runs `body` and checks that it leaves `count` more live tensors than before. */
function leaves(count: number, body: () => void): void {
  const before = memory().tensors;
  body();
  assert.equal(memory().tensors, before + count);
}

describe("scope misuse", () => {
  it("refuses a promise, frees what was made, and swallows the promise's own failure", async () => {
    const before = memory().tensors;
    let inside: Tensor | undefined;
    assert.throws(
      () =>
        scope(async () => {
          inside = ones([2]);
          await wait(1);
          inside.add(1);
        }),
      /for the result of scope\(\) but received a promise; keep scopes synchronous/,
    );
    assert.ok(inside?.disposed);
    assert.equal(memory().tensors, before);
    // The body goes on and fails on its freed tensor; that must not end the process.
    await wait(20);
  });
  it("frees everything when the body throws, and passes the error on", () => {
    leaves(0, () => {
      assert.throws(
        () =>
          scope(() => {
            ones([2]).add(1);
            scope(() => ones([3]));
            throw new RangeError("mine");
          }),
        /mine/,
      );
    });
    assert.equal(scopeDepth(), 0);
  });
  it("frees what leaks out by other ways than the result", () => {
    let leaked: Tensor | undefined;
    scope(() => {
      leaked = ones([2]);
    });
    assert.throws(() => leaked?.data(), DisposedError);
  });
});

describe("scope", () => {
  it("frees all but the returned tensor", () => {
    leaves(1, () => {
      const result = scope(() => ones([2]).add(1).mul(3));
      assert.deepEqual([...result.data()], [6, 6]);
    });
  });
  it("finds returned tensors in arrays, plain objects and maps at any depth, once", () => {
    leaves(4, () => {
      const result = scope(() => {
        const shared = ones([1]);
        const cyclic: Record<string, unknown> = { shared, list: [shared, [tensor([2])]] };
        cyclic["self"] = cyclic;
        ones([9]);
        const map = new Map([["a", { deep: tensor([3]) }]]);
        return { cyclic, map, bare: Object.assign(Object.create(null), { t: tensor([4]) }), n: 1 };
      });
      assert.equal(result.map.get("a")?.deep.item(), 3);
      assert.equal((result.bare as { t: Tensor }).t.item(), 4);
      const shared = result.cyclic["shared"] as Tensor;
      const [again] = result.cyclic["list"] as Tensor[];
      assert.equal(shared, again);
    });
  });
  it("hands results to the enclosing scope", () => {
    leaves(1, () => {
      scope(() => {
        const inner = scope(() => {
          assert.equal(scopeDepth(), 2);
          return [ones([2]), ones([3])];
        });
        leaves(-1, () => inner[0]?.dispose());
        return inner[1];
      });
    });
  });
  it("returns a tensor made outside as it is", () => {
    const outside = ones([2]);
    leaves(0, () =>
      assert.equal(
        scope(() => outside),
        outside,
      ),
    );
    assert.ok(!outside.disposed);
    scope(() => {
      const own = ones([1]);
      scope(() => own);
      assert.ok(!own.disposed);
    });
  });
  it("leaves kept tensors to their owner", () => {
    let kept: Tensor | undefined;
    leaves(1, () => {
      scope(() => {
        kept = ones([2]).keep();
        return { twice: [kept, kept] };
      });
    });
    kept?.dispose();
    assert.ok(kept?.disposed);
  });
  it("bears tensors that were disposed inside", () => {
    leaves(0, () => scope(() => ones([2]).dispose()));
    leaves(0, () => {
      const result = scope(() => {
        const made = ones([2]);
        made.dispose();
        return made;
      });
      assert.ok(result.disposed);
    });
  });
  it("disposes at the end of a block with using", () => {
    leaves(0, () => {
      using x = ones([2]);
      assert.equal(x.count, 2);
    });
  });
});

describe("finalizer", () => {
  it("frees tensors outside any scope that nobody reaches any more", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const before = memory().tensors;
    const make = (): void => {
      for (let i = 0; i < 500; i++) ones([10]).add(scope(() => ones([10]).keep()));
    };
    make();
    assert.ok(memory().tensors >= before + 1000);
    for (let round = 0; round < 50 && memory().tensors > before; round++) {
      collect();
      await wait(5);
    }
    assert.ok(memory().tensors <= before, `${memory().tensors} tensors, ${before} before`);
  });
});
