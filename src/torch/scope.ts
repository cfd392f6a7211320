/**
 * Ownership of tensors. A tensor made inside `scope` is freed when the scope ends unless it is
 * returned or kept; one made outside any scope is freed by `dispose()` or, as the net, by the
 * garbage collector.
 */

/** What a scope can own: something with a dispose that may run more than once. */
export interface Owned {
  owner: Owner | undefined;
  readonly disposed: boolean;
  dispose(): void;
}

export interface Owner {
  readonly owned: Owned[];
}

const stack: Owner[] = [];

/** The innermost open scope of this thread. */
export function currentOwner(): Owner | undefined {
  return stack[stack.length - 1];
}

/** How many scopes are open: 0 outside any. */
export function scopeDepth(): number {
  return stack.length;
}

/**
 * Runs `body` and frees every tensor made inside, but those in its result (a tensor, or tensors in
 * arrays and plain objects at any depth), which pass to the enclosing scope.
 *
 * throws  TypeError when `body` returns a promise: a scope is synchronous, since tensors of other
 *         work would otherwise be freed with it
 */
export function scope<T>(body: () => T): T {
  const owner: Owner = { owned: [] };
  stack.push(owner);
  let escaping: Owned[] = [];
  try {
    const result = body();
    if (isPromise(result)) {
      // What still runs fails on its freed tensors; the error below is the one to show.
      result.then(undefined, () => {});
      throw new TypeError(
        "Expected a value for the result of scope() but received a promise; keep scopes synchronous",
      );
    }
    escaping = collect(result);
    return result;
  } finally {
    stack.pop();
    close(owner, escaping);
  }
}

function close(owner: Owner, escaping: Owned[]): void {
  const outer = currentOwner();
  const own = escaping.filter((item) => item.owner === owner);
  for (const item of own) {
    item.owner = outer;
    outer?.owned.push(item);
  }
  const dying = owner.owned.filter((item) => item.owner === owner);
  if (keeper) keeper.disposeAll(dying);
  else for (const item of dying) item.dispose();
  // Last: what a tensor alone holds is known once its views are gone.
  if (!outer) for (const item of own) keeper?.watch(item);
}

/** Who knows what is owned (tensor-handle.ts). */
export interface Keeper {
  /** Disposes all at once, which costs less than one by one. */
  disposeAll(items: readonly Owned[]): void;
  /** Looks after an item that left the outermost scope. */
  watch(item: Owned): void;
}

let keeper: Keeper | undefined;

export function setKeeper(found: Keeper): void {
  keeper = found;
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}

function collect(value: unknown, found: Owned[] = [], seen: Set<object> = new Set()): Owned[] {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return found;
  if (seen.has(value)) return found;
  seen.add(value);
  if (isOwned(value)) found.push(value);
  else if (value instanceof Map) for (const item of value.values()) collect(item, found, seen);
  else if (Array.isArray(value)) for (const item of value) collect(item, found, seen);
  else if (isPlain(value)) for (const item of Object.values(value)) collect(item, found, seen);
  return found;
}

function isOwned(value: object): value is Owned {
  return "owner" in value && "dispose" in value && "disposed" in value;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
