/** What an audit gives: plain data, the same in JSON, on the page and in code. */
import type { LeftOut } from "../true-classes.ts";
import type { Association } from "./association.ts";
import type { FaceTable } from "./fairface.ts";
import type { GroupReport } from "./group-metrics.ts";
import type { IncomeSlope } from "./income-slope.ts";
import type { Measured } from "./resample.ts";
import type { ByDesired } from "./skew.ts";

/** How much a reader should mind. */
export type Weight = "serious" | "notable" | "fine";

/** One thing that the numbers say, in plain words. */
export interface Finding {
  readonly weight: Weight;
  readonly text: string;
}

export interface AuditedClasses {
  /** [C] */
  readonly names: readonly string[];
  /** Where a sample keeps its class. */
  readonly answer: string;
  readonly templates: readonly string[];
  readonly leftOut: LeftOut;
  /** Of predicted classes: softmax over all of them, or sigmoid of each. */
  readonly probabilities: "softmax" | "sigmoid";
}

export interface FaceReport {
  readonly tables: readonly FaceTable[];
  /** Whose class names and templates were asked: the set's own, or DataComp's. */
  readonly prompts: "set" | "datacomp";
  /** That the CLIP paper's figures could not be reproduced. */
  readonly note: string;
}

/** Skew of one query over the groups of a grouping, averaged over its templates. */
export interface QuerySkew {
  readonly query: string;
  readonly maxSkew: number;
  /** The group with the largest share for its size, and ln of how many times its share it has. */
  readonly group: string;
  readonly skew: number;
}

/** How neutral queries rank the pictures of groups. */
export interface SkewReport {
  readonly keys: readonly string[];
  readonly groups: readonly string[];
  /** Pictures that are ranked: those of groups that are not suppressed. */
  readonly count: number;
  /** Prompts, all templates of all queries. */
  readonly prompts: number;
  /** Means over all prompts, and over rankings that know nothing of groups. */
  readonly atK: readonly {
    readonly k: number;
    readonly maxSkew: ByDesired;
    readonly byChance: ByDesired;
  }[];
  readonly ndkl: ByDesired;
  readonly ndklByChance: ByDesired;
  /** The most skewed queries at the k of `mainTop`, against the groups' shares of the set. */
  readonly worst: readonly QuerySkew[];
}

export interface AssociationReport extends Association {
  readonly test: string;
  /** The grouping key of pictures; absent where words are held against words. */
  readonly key?: string;
  readonly x: string;
  readonly y: string;
  readonly a: string;
  readonly b: string;
}

/** What one way to treat text embeddings gives. */
export interface DebiasRow {
  readonly projection: "none" | "orthogonal" | "calibrated";
  /** Absent without classes. */
  readonly accuracy?: Measured;
  readonly worst?: { readonly name: string; readonly value: Measured };
  readonly gap?: Measured;
  /** Means over prompts at k, against the groups' shares of the set; absent without queries. */
  readonly maxSkew?: number;
  readonly ndkl?: number;
}

export interface DebiasReport {
  readonly key: string;
  readonly groups: readonly string[];
  /** k of `maxSkew`. */
  readonly k?: number;
  readonly rows: readonly DebiasRow[];
}

/** Texts that were embedded, and whose they are. */
export interface AskedTexts {
  readonly use: string;
  readonly source: string;
  readonly texts: readonly string[];
}

/** What was left unmeasured, and why. */
export interface Skipped {
  readonly part: string;
  readonly reason: string;
}

export interface AuditCard {
  readonly format: "limn-audit-card";
  readonly version: 1;
  readonly model: string;
  readonly set: string;
  /** Pictures of the set. */
  readonly count: number;
  /** Pictures that were measured: all but those of no class. */
  readonly measured: number;
  readonly classes?: AuditedClasses;
  /** Groups of fewer samples are suppressed. */
  readonly least: number;
  /** Coverage of intervals. */
  readonly level: number;
  readonly resamples: number;
  /** The key whose values are drawn as a whole, and how many there are. */
  readonly cluster?: { readonly key: string; readonly count: number };
  /** Name of the class whose rates are compared. */
  readonly positive?: string;
  /** The worst first. */
  readonly findings: readonly Finding[];
  /** Sizes of all groups by grouping; without classes nothing else is known of them. */
  readonly groups: readonly GroupSizes[];
  readonly accuracy: readonly GroupReport[];
  readonly faces?: FaceReport;
  readonly skew: readonly SkewReport[];
  readonly associations: readonly AssociationReport[];
  readonly income?: IncomeSlope & { readonly key: string };
  readonly debiasing: readonly DebiasReport[];
  /** Every text that was asked. */
  readonly asked: readonly AskedTexts[];
  /** What these numbers cannot show. */
  readonly limits: readonly string[];
  readonly skipped: readonly Skipped[];
}

export interface GroupSizes {
  readonly keys: readonly string[];
  readonly without: number;
  readonly groups: readonly {
    readonly name: string;
    readonly count: number;
    readonly suppressed: boolean;
  }[];
}
