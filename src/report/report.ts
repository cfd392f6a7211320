/**
 * The report of a training run as one HTML file: no scripts, no other files, nothing from the
 * network. A pure function of its data.
 */
import { writeTextAtomically } from "../files/atomic-write.ts";
import { escapeHtml } from "../files/escape-html.ts";
import {
  curvesSection,
  environmentSection,
  evaluationSection,
  predictionsSection,
  recipeSection,
  renderSection,
  retrievalSection,
  searchSection,
  summarySection,
  warningsSection,
  type Section,
} from "./sections.ts";
import { styleSheet } from "./style.ts";
import type { ReportData } from "./types.ts";

/** The browser itself refuses whatever a report should not contain. */
const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

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
  const links = tableOfContents(sections);
  const subtitle = data.subtitle ? `<p class="subtitle">${escapeHtml(data.subtitle)}</p>` : "";
  const title = escapeHtml(data.title);
  return [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    `<title>${title}</title>`,
    `<style>${styleSheet}</style>`,
    "</head>",
    "<body>",
    `<header><h1>${title}</h1>${subtitle}<nav>${links.join("")}</nav></header>`,
    `<main>${sections.map(renderSection).join("\n")}</main>`,
    "<footer>Made by limn. This file needs no network and no scripts.</footer>",
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

/** A link to each section; groups of pictures share one, to the first of them. */
function tableOfContents(sections: readonly Section[]): string[] {
  const names = new Map<string, string>();
  for (const { id, title } of sections) {
    const group = /^(search|predictions|retrieval)-\d+$/.exec(id)?.[1];
    const name = group === undefined ? title : group[0]?.toUpperCase() + group.slice(1);
    if (![...names.values()].includes(name)) names.set(id, name);
  }
  return [...names].map(([id, name]) => `<a href="#${id}">${escapeHtml(name)}</a>`);
}
