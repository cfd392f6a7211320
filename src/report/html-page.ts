/** The frame of every page: one HTML file without scripts, other files or the network. */
import { escapeHtml } from "../files/escape-html.ts";
import { renderSection, type Section } from "./sections.ts";
import { styleSheet } from "./style.ts";

/** The browser itself refuses whatever a page should not contain. */
const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/** Stands in every page, and in no other file. */
export const pageMark = "<footer>Made by limn. This file needs no network and no scripts.</footer>";

export interface Page {
  readonly title: string;
  /** One line under the title. */
  readonly subtitle?: string | undefined;
  readonly sections: readonly Section[];
}

/** A complete HTML document; bodies of sections are HTML, everything else is text. */
export function renderPage({ title: text, subtitle: line, sections }: Page): string {
  const links = tableOfContents(sections);
  const subtitle = line ? `<p class="subtitle">${escapeHtml(line)}</p>` : "";
  const title = escapeHtml(text);
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
    pageMark,
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
