/** The examples of a source whose entries can be had in any order: a few bytes for each. */
import { setImmediate } from "node:timers/promises";
import { createRandom } from "../../arrays/random.ts";
import type { EntryList, Source } from "../sources/source.ts";
import { NumberBlocks } from "../../arrays/growing.ts";
import type { Example, OrderOptions } from "./order.ts";

/** Examples of a window, in the order of visiting. */
export interface ExampleList {
  readonly length: number;
  /** Each is taken at most once. */
  take(index: number): Example;
}

/** Other work of the thread runs after so many entries. */
const SLICE = 1 << 10;

/** Entries of lists, one list behind the other. */
interface Places {
  readonly length: number;
  at(place: number): { part: number; index: number };
  list(part: number): EntryList;
}

/** All examples of the parts from a place on, in one window; shuffled, if asked for, as a list of them. */
export async function listExamples(
  source: Source,
  parts: readonly number[],
  { seed, shuffle, expand }: OrderOptions,
  start: { epoch: number; part: number; entry: number },
): Promise<ExampleList> {
  const places = placesOf(source, parts.slice(start.part), start.entry);
  const made = expand === undefined ? one(places) : await several(places, expand);
  if (!shuffle) return made;
  const order = new Uint32Array(made.length);
  for (let i = 0; i < order.length; i++) order[i] = i;
  createRandom([seed, "window", start.epoch, start.part, start.entry]).shuffle(order);
  return { length: made.length, take: (index) => made.take(order[index]!) };
}

/** An example for each entry. */
function one(places: Places): ExampleList {
  return { length: places.length, take: (place) => exampleAt(places, place, undefined) };
}

/** As many examples for each entry as `expand` says. */
async function several(
  places: Places,
  expand: NonNullable<OrderOptions["expand"]>,
): Promise<ExampleList> {
  const owners = new NumberBlocks(Uint32Array);
  /** Caption + 1, or 0. */
  const captions = new NumberBlocks(Uint32Array);
  for (let place = 0; place < places.length; place++) {
    const { part, index } = places.at(place);
    for (const caption of expand(places.list(part).at(index))) {
      owners.push(place);
      captions.push(caption === undefined ? 0 : caption + 1);
    }
    if (place % SLICE === 0) await setImmediate();
  }
  return {
    length: owners.length,
    take(index) {
      const caption = captions.at(index);
      return exampleAt(places, owners.at(index), caption === 0 ? undefined : caption - 1);
    },
  };
}

function exampleAt(places: Places, place: number, caption: number | undefined): Example {
  const { part, index } = places.at(place);
  return { entry: places.list(part).at(index), part, index, caption };
}

function placesOf(source: Source, parts: readonly number[], skipped: number): Places {
  const list = (part: number): EntryList => source.parts[part]!.list!;
  /** Where each part starts. */
  const starts: number[] = [];
  let length = -skipped;
  for (const part of parts) {
    starts.push(length);
    length += list(part).length;
  }
  return {
    length: Math.max(0, length),
    list,
    at(place) {
      let [low, high] = [0, starts.length];
      while (high - low > 1) {
        const middle = (low + high) >>> 1;
        if (starts[middle]! <= place) low = middle;
        else high = middle;
      }
      return { part: parts[low]!, index: place - starts[low]! };
    },
  };
}
