/** Values of one column of Parquet after another, whatever its pages. */
export class ColumnCursor {
  readonly #pages: AsyncGenerator<readonly unknown[]>;
  #page: readonly unknown[] = [];
  #at = 0;

  constructor(pages: AsyncGenerator<readonly unknown[]>) {
    this.#pages = pages;
  }

  /** Whether `fill` must come before the next `take`. */
  get isEmpty(): boolean {
    return this.#at === this.#page.length;
  }

  /** throws   Error with a short reason where the column has ended */
  async fill(): Promise<void> {
    // The page before it is not held meanwhile.
    this.#page = [];
    this.#at = 0;
    const next = await this.#pages.next();
    if (next.done === true) throw new Error("a column has fewer values than its rows");
    this.#page = next.value;
  }

  take(): unknown {
    return this.#page[this.#at++];
  }

  /** The next `count` values, over as many pages as they are in. throws   as `fill` */
  async takeMany(count: number): Promise<unknown[]> {
    const taken: unknown[] = [];
    while (taken.length < count) {
      if (this.isEmpty) await this.fill();
      const end = Math.min(this.#page.length, this.#at + count - taken.length);
      while (this.#at < end) taken.push(this.take());
    }
    return taken;
  }
}
