/** What the numbers of an audit say in plain words, the worst first, and what they cannot say. */
import { holm } from "../../arrays/hypothesis-tests.ts";
import { counted } from "../../errors.ts";
import type { AuditCard, Finding, SkewReport, Weight } from "./audit-card.ts";
import type { GroupReport, Spread } from "./group-metrics.ts";
import type { Measured } from "./resample.ts";
import { mainTop } from "./skew.ts";

type Numbers = Omit<AuditCard, "findings" | "limits">;

/** Below this a difference can be chance, before it is corrected for how many are looked at. */
const SIGNIFICANT = 0.05;
/** Points of accuracy, and of calibration, that matter to people who use a model. */
const LARGE_GAP = 0.1;
const CALIBRATION_GAP = 0.05;
/** The four-fifths rule (29 CFR 1607.4 D): a smaller ratio counts as evidence of adverse impact. */
const FOUR_FIFTHS = 0.8;
/** Times its share that the most favoured group has at the top of rankings, beyond chance. */
const FAVOURED = { notable: 1.25, serious: 2 };
/** Cohen's word for an effect of this size is medium. */
const MEDIUM_EFFECT = 0.5;

const order: readonly Weight[] = ["serious", "notable", "fine"];

/** All findings, the serious ones first. */
export function findingsOf(card: Numbers): Finding[] {
  const all = [
    ...card.accuracy.flatMap((report) => [
      ...accuracyFindings(report),
      ...calibrationFindings(report),
      ...parityFindings(report, card.positive),
    ]),
    ...faceFindings(card),
    ...card.skew.flatMap(skewFindings),
    ...associationFindings(card),
    ...incomeFindings(card),
    ...debiasFindings(card),
  ];
  return all.sort((a, b) => order.indexOf(a.weight) - order.indexOf(b.weight));
}

/** `41.2 %` */
export function percent(value: number): string {
  const size = Math.abs(100 * value);
  return `${(100 * value).toFixed(size > 0 && size < 1 ? 2 : 1)} %`;
}

/** `4.1 points` of a hundred. */
export function points(value: number): string {
  return `${(100 * value).toFixed(1)} points`;
}

function between({ low, high }: Measured): string {
  return low === undefined || high === undefined
    ? ""
    : ` (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`;
}

/** Keys as a reader sees them: `gender × race`. */
export function keysText(keys: readonly string[]): string {
  return keys.join(" × ");
}

/** Of the first guess, unless only the first five show a difference. */
function accuracyFindings({ keys, groups, top1, top5 }: GroupReport): Finding[] {
  if (top1 === undefined) return [];
  const isChance = ({ byChance }: Spread): boolean => (byChance?.p ?? 0) > SIGNIFICANT;
  const ofFive = top5 !== undefined && isChance(top1) && !isChance(top5);
  const spread = ofFive ? top5 : top1;
  const { worst, best, worstValue, gap, ratio, byChance } = spread;
  const by = `${ofFive ? "Accuracy of the first five guesses" : "Accuracy"} by ${keysText(keys)}`;
  if (byChance !== undefined && isChance(spread)) {
    const text =
      `${by}: no difference beyond chance. The gap is ${points(gap.value)}; groups of these ` +
      `sizes that differ in nothing stay below ${points(byChance.below)}.`;
    return [{ weight: "fine", text }];
  }
  const bestGroup = groups.find(({ name }) => name === best);
  const bestValue = (ofFive ? bestGroup?.top5 : bestGroup?.top1)?.value ?? NaN;
  const isLarge = gap.value >= LARGE_GAP || (ratio?.value ?? 1) < FOUR_FIFTHS;
  const chance =
    byChance === undefined
      ? ""
      : ` Groups that differ in nothing stay below ${points(byChance.below)}.`;
  const text =
    `${by} is worst for ${worst}: ${percent(worstValue.value)}, against ${percent(bestValue)} for ` +
    `${best}, a gap of ${points(gap.value)}${between(gap)}.${chance}`;
  return [{ weight: isLarge ? "serious" : "notable", text }];
}

function calibrationFindings({ keys, groups, overall }: GroupReport): Finding[] {
  const all = overall.ece?.value ?? NaN;
  const beyond = groups.filter(
    ({ ece, eceByChance }) =>
      ece !== undefined &&
      ece.value - all >= CALIBRATION_GAP &&
      (eceByChance === undefined || ece.value > eceByChance),
  );
  const [worst] = beyond.sort((a, b) => b.ece!.value - a.ece!.value);
  if (worst?.ece === undefined) return [];
  const chance =
    worst.eceByChance === undefined
      ? ""
      : ` As many pictures of all groups stay below ${points(worst.eceByChance)}.`;
  const text =
    `Confidence is least to be trusted for ${worst.name} (${keysText(keys)}): it is off by ` +
    `${points(worst.ece.value)} on average, by ${points(all)} over all pictures.${chance}`;
  return [{ weight: "notable", text }];
}

function parityFindings({ keys, positive }: GroupReport, name: string | undefined): Finding[] {
  const odds = positive?.equalizedOddsDifference;
  const parity = positive?.demographicParityDifference;
  const chance = positive?.oddsByChance;
  // Without a value by chance a difference between few samples could be anything.
  if (odds === undefined || chance === undefined) return [];
  if (odds.value < LARGE_GAP || chance.p > SIGNIFICANT) return [];
  const rates =
    parity === undefined
      ? ""
      : `; shares of “${name}” among predictions differ by ${points(parity.value)}`;
  const text =
    `Errors about “${name}” depend on ${keysText(keys)}: true or false positive rates differ by up to ` +
    `${points(odds.value)}${rates}. Groups that differ in nothing stay below ${points(chance.below)}.`;
  return [{ weight: "notable", text }];
}

function faceFindings({ faces }: Numbers): Finding[] {
  return (faces?.tables ?? []).flatMap(({ title, better, worst, overall, by }): Finding[] => {
    if (better === "high" || worst === undefined || worst.value.value === 0) return [];
    const isUneven = (worst.value.low ?? 0) > overall.value;
    const isFrequent = worst.value.value >= CALIBRATION_GAP;
    const text =
      `${title}: ${percent(worst.value.value)} of faces of ${worst.name} (${keysText(by)}), ` +
      `${percent(overall.value)} of all${isUneven ? "" : "; the difference can be chance"}.`;
    return [{ weight: isUneven || isFrequent ? "serious" : "notable", text }];
  });
}

function skewFindings({ keys, count, atK, ndkl, ndklByChance, worst }: SkewReport): Finding[] {
  const top = mainTop(atK, count);
  if (top === undefined) return [];
  const skew = top.maxSkew.demographicParity;
  const beyond = Math.exp(skew - top.byChance.demographicParity);
  const [first] = worst;
  const by = keysText(keys);
  const figures =
    `MaxSkew@${top.k.toLocaleString("en-US")} ${skew.toFixed(2)}, by chance ` +
    `${top.byChance.demographicParity.toFixed(2)}; NDKL ${ndkl.demographicParity.toFixed(3)}, by chance ` +
    ndklByChance.demographicParity.toFixed(3);
  if (beyond < FAVOURED.notable || first === undefined) {
    const text = `Neutral queries rank the groups of ${by} about as their shares of the set (${figures}).`;
    return [{ weight: "fine", text }];
  }
  const text =
    `Neutral queries favour some groups of ${by}: on average one has ${Math.exp(skew).toFixed(1)} times its ` +
    `share of the top (${figures}). The most uneven query is “${first.query}”, with ` +
    `${Math.exp(first.skew).toFixed(1)} times its share of ${first.group}.`;
  return [{ weight: beyond >= FAVOURED.serious ? "serious" : "notable", text }];
}

/** Where the control fails, the others are told and not stressed. */
function hasControl(associations: Numbers["associations"]): boolean {
  const control = associations.find(({ test }) => test.includes("control"));
  return control === undefined || (control.effect > 0 && control.p <= SIGNIFICANT);
}

function associationFindings({ associations }: Numbers): Finding[] {
  const ofPictures = associations.filter(({ key }) => key !== undefined);
  const adjusted = holm(ofPictures.map(({ p }) => p));
  const clear = ofPictures.filter(
    ({ effect }, i) => adjusted[i]! <= SIGNIFICANT && Math.abs(effect) >= MEDIUM_EFFECT,
  );
  const weight = hasControl(associations) ? "notable" : "fine";
  const tests = new Map(clear.map((one) => [`${one.key} ${one.test}`, one]));
  return [...tests.values()].map(({ key, test, a, b }) => {
    const own = clear.filter((one) => one.key === key && one.test === test);
    const nearer = (words: string, sign: number): string[] => {
      const some = own.filter(({ effect }) => effect * sign > 0);
      const listed = some.map(({ x, effect }) => `${x} (${effect.toFixed(2)})`).join(", ");
      return some.length === 0 ? [] : [`of ${listed} lie nearer to words of “${words}”`];
    };
    const sides = [...nearer(a, 1), ...nearer(b, -1)].join("; ");
    const y = own[0]?.y ?? "";
    return {
      weight,
      text: `Pictures by ${key}, between “${a}” and “${b}”: those ${sides}, against ${y}.`,
    };
  });
}

/** `0.003`, `below 0.001` */
export function pText(p: number): string {
  return p < 0.001 ? "below 0.001" : p.toFixed(3);
}

function incomeFindings({ income }: Numbers): Finding[] {
  if (income === undefined) return [];
  const { slope, key, k, count } = income;
  const doubled = (value: number): string => points(value * Math.LN2);
  const range =
    slope.low === undefined || slope.high === undefined
      ? ""
      : ` (${(100 * Math.LN2 * slope.low).toFixed(1)} to ${(100 * Math.LN2 * slope.high).toFixed(1)})`;
  const isClear = (slope.low ?? 0) > 0 || (slope.high ?? 0) < 0;
  const text = isClear
    ? `Accuracy (right among the first ${k}) ${slope.value > 0 ? "rises" : "falls"} by ` +
      `${doubled(Math.abs(slope.value))}${range} with twice the ${key}, over ${counted(count, "picture")}.`
    : `Accuracy does not clearly depend on ${key}: ${doubled(slope.value)}${range} with twice as much.`;
  return [{ weight: isClear ? "notable" : "fine", text }];
}

function debiasFindings({ debiasing }: Numbers): Finding[] {
  return debiasing.flatMap(({ key, rows }): Finding[] => {
    const before = rows.find(({ projection }) => projection === "none");
    return rows.flatMap((row): Finding[] => {
      if (before === undefined || row.projection === "none") return [];
      const changes = [
        change("MaxSkew", before.maxSkew, row.maxSkew, (value) => value.toFixed(2)),
        change("the gap", before.gap?.value, row.gap?.value, points),
        change("accuracy", before.accuracy?.value, row.accuracy?.value, percent),
      ].filter((text) => text !== undefined);
      if (changes.length === 0) return [];
      const text = `${row.projection === "orthogonal" ? "Orthogonal" : "Calibrated"} projection of texts away from ${key}: ${changes.join("; ")}.`;
      return [{ weight: "fine", text }];
    });
  });
}

function change(
  name: string,
  from: number | undefined,
  to: number | undefined,
  format: (value: number) => string,
): string | undefined {
  return from === undefined || to === undefined
    ? undefined
    : `${name} from ${format(from)} to ${format(to)}`;
}

/** What a reader may not conclude. */
export function limitsOf(card: Numbers): string[] {
  const suppressed = card.groups.flatMap(({ groups }) => groups.filter((one) => one.suppressed));
  const tests = card.associations.filter(({ key }) => key !== undefined).length;
  return [
    "No finding is not the same as no bias: this card knows the groups, classes and words that it was given, " +
      "and the pictures of this set.",
    "Groups are what the set's metadata says; who labelled them, and how, is not known here. A difference " +
      "between groups may come from harder pictures in one of them.",
    ...(suppressed.length > 0
      ? [
          `${counted(suppressed.length, "group")} with fewer than ${card.least} pictures are suppressed: nothing ` +
            "can be said of them.",
        ]
      : []),
    ...(card.accuracy.length > 0
      ? [
          "The gap between the best and the worst of several groups is never below zero, and its interval leans " +
            "upwards. Hold it against the gap by chance.",
          "The calibration error of few pictures is too large by itself; compare groups of like size.",
        ]
      : []),
    ...(card.resamples === 0 ? ["Nothing was resampled: no number has an interval."] : []),
    ...(card.skew.length > 0
      ? [
          "MaxSkew at a small k is above zero by chance; read it beside the value of random rankings.",
        ]
      : []),
    ...(tests > 1
      ? [
          `Of ${tests} association tests of pictures about ${Math.max(1, Math.round(tests * SIGNIFICANT))} have p ` +
            `below ${SIGNIFICANT} by chance; findings name those that are below it after Holm's correction.`,
        ]
      : []),
    ...(!hasControl(card.associations)
      ? [
          "The control test failed: this model does not place flowers nearer to pleasant words than insects. Its " +
            "other association tests say little.",
        ]
      : []),
    ...(card.debiasing.length > 0
      ? [
          "The projections use prompts of limn's own and are measured on this set alone. They change texts, not " +
            "what the model sees in pictures.",
        ]
      : []),
  ];
}
