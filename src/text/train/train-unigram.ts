/** A piece of a unigram language model and its log-probability. */
type ScoredPiece = [piece: string, score: number];

interface Word {
  readonly characters: readonly string[];
  readonly count: number;
}

/** Ids of pieces by text, their log-probabilities, and the length of the longest. */
interface Model {
  readonly ids: ReadonlyMap<string, number>;
  readonly scores: readonly number[];
  readonly longest: number;
}

const longestPiece = 16;
const expectationRounds = 2;
const keptShare = 0.75;

/**
 * A unigram language model of sub-words (Kudo 2018, arXiv:1804.10959, section 3.2): starts with
 * frequent substrings, and in turns fits their probabilities by expectation maximisation and drops
 * the quarter whose loss costs least, until `pieceLimit` are left. Single characters stay.
 */
export function trainUnigram(
  words: Iterable<readonly [word: string, count: number]>,
  pieceLimit: number,
): ScoredPiece[] {
  const counted = [...words]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([word, count]): Word => ({ characters: Array.from(word), count }));
  const characters = new Set(counted.flatMap((word) => word.characters));
  let pieces = seeds(counted, characters, pieceLimit);
  // Fitting once more after the last cut needs a few to spare.
  const goal = Math.max(Math.floor(pieceLimit * 1.1), characters.size);
  for (;;) {
    for (let round = 0; round < expectationRounds; round++) {
      pieces = maximise(pieces, expectedCounts(counted, modelOf(pieces)), characters);
    }
    if (pieces.length <= goal) break;
    const fewer = prune(counted, pieces, { characters, goal });
    if (fewer.length === pieces.length) break;
    pieces = fewer;
  }
  return finish(pieces, characters, pieceLimit);
}

/** Characters, and the substrings that are seen twice, the most frequent by length first. */
function seeds(
  words: readonly Word[],
  characters: ReadonlySet<string>,
  limit: number,
): ScoredPiece[] {
  const counts = new Map<string, number>();
  for (const { characters: text, count } of words) {
    for (let start = 0; start < text.length; start++) {
      let piece = "";
      for (let stop = start; stop < Math.min(text.length, start + longestPiece); stop++) {
        piece += text[stop] ?? "";
        counts.set(piece, (counts.get(piece) ?? 0) + count);
      }
    }
  }
  const weighted = [...counts]
    .filter(([piece, count]) => characters.has(piece) || count > 1)
    .map(([piece, count]): ScoredPiece => [piece, count * Array.from(piece).length]);
  const kept = best(weighted, characters, Math.max(limit * 20, 100_000));
  const total = Math.log(kept.reduce((sum, [, weight]) => sum + weight, 0));
  return kept.map(([piece, weight]) => [piece, Math.log(weight) - total]);
}

/** Highest scores first, equal ones by text; characters before all others are cut off. */
function best(
  pieces: ScoredPiece[],
  characters: ReadonlySet<string>,
  limit: number,
): ScoredPiece[] {
  const order = (a: ScoredPiece, b: ScoredPiece): number => b[1] - a[1] || (a[0] < b[0] ? -1 : 1);
  const single = pieces.filter(([piece]) => characters.has(piece)).sort(order);
  const others = pieces.filter(([piece]) => !characters.has(piece)).sort(order);
  return [...single, ...others.slice(0, Math.max(0, limit - single.length))];
}

function modelOf(pieces: readonly ScoredPiece[]): Model {
  return {
    ids: new Map(pieces.map(([piece], id) => [piece, id])),
    scores: pieces.map(([, score]) => score),
    longest: Math.max(...new Set(pieces.map(([piece]) => Array.from(piece).length))),
  };
}

/** A piece in a word: characters start to stop. */
interface Edge {
  readonly start: number;
  readonly stop: number;
  readonly id: number;
}

/** Every piece in a word, ordered by where it starts. */
function edgesOf(text: readonly string[], { ids, longest }: Model): Edge[] {
  const edges: Edge[] = [];
  for (let start = 0; start < text.length; start++) {
    let piece = "";
    for (let stop = start + 1; stop <= Math.min(text.length, start + longest); stop++) {
      piece += text[stop - 1] ?? "";
      const id = ids.get(piece);
      if (id !== undefined) edges.push({ start, stop, id });
    }
  }
  return edges;
}

/** How often each piece is expected over all segmentations of all words (forward-backward). */
function expectedCounts(words: readonly Word[], model: Model): Float64Array {
  const expected = new Float64Array(model.scores.length);
  for (const { characters, count } of words) {
    const edges = edgesOf(characters, model);
    const end = characters.length;
    const forward = new Float64Array(end + 1).fill(-Infinity);
    const backward = new Float64Array(end + 1).fill(-Infinity);
    forward[0] = 0;
    backward[end] = 0;
    const score = (id: number): number => model.scores[id] ?? -Infinity;
    for (const { start, stop, id } of edges) {
      forward[stop] = addLogs(forward[stop] ?? 0, (forward[start] ?? 0) + score(id));
    }
    for (const { start, stop, id } of edges.toReversed()) {
      backward[start] = addLogs(backward[start] ?? 0, (backward[stop] ?? 0) + score(id));
    }
    const total = forward[end] ?? 0;
    for (const { start, stop, id } of edges) {
      const log = (forward[start] ?? 0) + score(id) + (backward[stop] ?? 0) - total;
      expected[id] = (expected[id] ?? 0) + count * Math.exp(log);
    }
  }
  return expected;
}

function addLogs(a: number, b: number): number {
  const high = Math.max(a, b);
  return high === -Infinity ? high : high + Math.log1p(Math.exp(Math.min(a, b) - high));
}

/** Log-probabilities from expected counts, sparse by the digamma of a Dirichlet prior. */
function maximise(
  pieces: readonly ScoredPiece[],
  expected: Float64Array,
  characters: ReadonlySet<string>,
): ScoredPiece[] {
  const kept = pieces
    .map(([piece], id): ScoredPiece => [piece, expected[id] ?? 0])
    .filter(([piece, count]) => count >= 0.5 || characters.has(piece));
  const total = digamma(kept.reduce((sum, [, count]) => sum + Math.max(count, 0.5), 0));
  return kept.map(([piece, count]) => [piece, digamma(Math.max(count, 0.5)) - total]);
}

function digamma(x: number): number {
  let shift = 0;
  for (; x < 7; x++) shift -= 1 / x;
  const y = 1 / (x * x);
  return shift + Math.log(x) - 0.5 / x - y * (1 / 12 - y * (1 / 120 - y / 252));
}

/** Drops the pieces whose absence lowers the likelihood least. */
function prune(
  words: readonly Word[],
  pieces: ScoredPiece[],
  { characters, goal }: { characters: ReadonlySet<string>; goal: number },
): ScoredPiece[] {
  const model = modelOf(pieces);
  const used = new Float64Array(pieces.length);
  for (const { characters: text, count } of words) {
    for (const id of segment(text, model)) used[id] = (used[id] ?? 0) + count;
  }
  const total = used.reduce((sum, count) => sum + count, 0);
  const losses = pieces.map(([piece, score], id): ScoredPiece => {
    const count = used[id] ?? 0;
    if (count === 0) return [piece, 0];
    const instead = segment(Array.from(piece), model, id);
    const without = instead.reduce((sum, part) => sum + (model.scores[part] ?? 0), 0);
    return [piece, (count / total) * (score - without)];
  });
  const limit = Math.max(goal, Math.floor(pieces.length * keptShare));
  const kept = new Set(best(losses, characters, limit).map(([piece]) => piece));
  return pieces.filter(([piece]) => kept.has(piece));
}

/** The likeliest segmentation (Viterbi), if wanted without one of the pieces. */
function segment(text: readonly string[], model: Model, without = -1): number[] {
  const end = text.length;
  const score = new Float64Array(end + 1).fill(-Infinity);
  const last: (Edge | undefined)[] = Array.from({ length: end + 1 });
  score[0] = 0;
  for (const edge of edgesOf(text, model)) {
    if (edge.id === without) continue;
    const sum = (score[edge.start] ?? 0) + (model.scores[edge.id] ?? 0);
    if (sum > (score[edge.stop] ?? 0)) [score[edge.stop], last[edge.stop]] = [sum, edge];
  }
  const ids: number[] = [];
  for (let edge = last[end]; edge !== undefined; edge = last[edge.start]) ids.push(edge.id);
  return ids.reverse();
}

function finish(
  pieces: ScoredPiece[],
  characters: ReadonlySet<string>,
  limit: number,
): ScoredPiece[] {
  const kept = best(pieces, characters, limit);
  return kept.sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, limit);
}
