/**
 * The report of a training run as one HTML file: no scripts, no other files, nothing from the
 * network. A pure function of its data.
 */
import { writeTextAtomically } from "../files/atomic-write.ts";
import { renderPage } from "./html-page.ts";
import {
  curvesSection,
  environmentSection,
  evaluationSection,
  predictionsSection,
  recipeSection,
  retrievalSection,
  searchSection,
  summarySection,
  warningsSection,
  type Section,
} from "./sections.ts";
import type { ReportData } from "./types.ts";

/** Writes `renderReport` as a file, whole or not at all. throws  StorageError naming it, as renderReport */
export function writeReport(file: string, data: ReportData): void {
  writeTextAtomically(file, renderReport(data));
}

/**
 * A complete HTML document. Sections without data are left out.
 *
 * throws  TypeError if a picture is not a data URI; RangeError for curves that cannot be drawn
 */
export function renderReport(data: ReportData): string {
  const sections: Section[] = [];
  if (data.warnings?.length) sections.push(warningsSection(data.warnings));
  sections.push(...(data.searches ?? []).map(searchSection));
  sections.push(summarySection(data.summary));
  sections.push(...(data.predictions ?? []).map(predictionsSection));
  sections.push(...(data.retrievals ?? []).map(retrievalSection));
  if (data.evaluations?.length) sections.push(evaluationSection(data.evaluations));
  if (data.curves.length > 0) sections.push(curvesSection(data.curves));
  if (data.recipe !== undefined) sections.push(recipeSection(data.recipe));
  if (data.environment !== undefined) sections.push(environmentSection(data.environment));
  return renderPage({ title: data.title, subtitle: data.subtitle, sections });
}
