/** An audit as one HTML page, without scripts. A pure function of the card. */
import type { AuditCard, Weight } from "../../evaluate/audit/audit-card.ts";
import { keysText } from "../../evaluate/audit/findings.ts";
import { counted } from "../../errors.ts";
import { writeTextAtomically } from "../../files/atomic-write.ts";
import { escapeHtml } from "../../files/escape-html.ts";
import { renderPage } from "../html-page.ts";
import type { Section } from "../sections.ts";
import {
  accuracySection,
  associationSection,
  debiasSection,
  facesSection,
  incomeSection,
  skewSection,
} from "./audit-sections.ts";
import { htmlCard, htmlList } from "./html-table.ts";

const TITLE = "Audit card";

/** Writes `renderAudit` as a file, whole or not at all. throws  StorageError naming it */
export function writeAudit(file: string, card: AuditCard): void {
  writeTextAtomically(file, renderAudit(card));
}

/** A complete HTML document. Parts that were not measured are left out, and said so. */
export function renderAudit(card: AuditCard): string {
  const measured = [
    card.accuracy.length > 0 ? accuracySection(card) : undefined,
    facesSection(card),
    skewSection(card),
    associationSection(card),
    incomeSection(card),
    debiasSection(card),
  ].filter((section) => section !== undefined);
  return renderPage({
    title: TITLE,
    subtitle: `${card.model} on ${card.set}`,
    sections: [
      findingsSection(card),
      subjectSection(card),
      ...measured,
      limitsSection(card),
      ...(card.asked.length > 0 ? [promptsSection(card)] : []),
    ],
  });
}

const words: Readonly<Record<Weight, string>> = {
  serious: "serious",
  notable: "notable",
  fine: "for the record",
};

function findingsSection(card: AuditCard): Section {
  const items = card.findings.map(
    ({ weight, text }) =>
      `<li class="${weight}"><b>${words[weight]}</b><span>${escapeHtml(text)}</span></li>`,
  );
  const empty = "Nothing could be measured; see what was left out below.";
  const list =
    items.length === 0 ? `<p>${empty}</p>` : `<ul class="findings">${items.join("")}</ul>`;
  return {
    id: "findings",
    title: "Findings",
    note: "What the numbers below say, the worst first. Read the limits before you conclude anything.",
    body: list,
  };
}

function subjectSection(card: AuditCard): Section {
  const { classes, cluster, resamples, level } = card;
  const many = 6;
  const some = (list: readonly string[]): string =>
    list.length > many
      ? `${list.slice(0, many).join(", ")} and ${list.length - many} more`
      : list.join(", ");
  const rows: [string, string][] = [
    ["model", card.model],
    ["set", card.set],
    [
      "pictures",
      `${counted(card.measured, "picture")} measured of ${card.count.toLocaleString("en-US")}`,
    ],
    ...card.groups.map(({ keys, groups }): [string, string] => [
      `groups by ${keysText(keys)}`,
      some(groups.map(({ name, count }) => `${name} (${count.toLocaleString("en-US")})`)),
    ]),
    ...(classes === undefined
      ? []
      : ([
          [
            "classes",
            `${counted(classes.names.length, "class", "classes")}: ${some(classes.names)}`,
          ],
          ["class of a sample", classes.answer],
          ["templates", some(classes.templates.map((template) => `“${template}”`))],
          ["confidence", `${classes.probabilities} of the model's logits`],
        ] satisfies [string, string][])),
    ...(card.positive === undefined
      ? []
      : ([["positive class", card.positive]] satisfies [string, string][])),
    [
      "intervals",
      resamples === 0
        ? "none"
        : `${+(100 * level).toFixed(1)} %, bootstrap of ${resamples.toLocaleString("en-US")} resamples` +
          (cluster === undefined
            ? ""
            : ` of ${counted(cluster.count, "cluster")} by ${cluster.key}`),
    ],
  ];
  const list = rows.map(
    ([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`,
  );
  return {
    id: "audited",
    title: "What was audited",
    body: `<div class="grid"><div class="card"><dl>${list.join("")}</dl></div></div>`,
  };
}

function limitsSection({ limits, skipped }: AuditCard): Section {
  const left = skipped.map(({ part, reason }) => `${part}: ${reason}`);
  const cards = [
    htmlCard("These numbers cannot show", undefined, htmlList(limits)),
    ...(left.length === 0 ? [] : [htmlCard("Left out", undefined, htmlList(left))]),
  ];
  return {
    id: "limits",
    title: "What cannot be concluded",
    body: `<div class="stack">${cards.join("")}</div>`,
  };
}

function promptsSection({ asked }: AuditCard): Section {
  const cards = asked.map(({ use, source, texts }) => {
    const head = `${use}: ${counted(texts.length, "line")} (${source})`;
    const lines = escapeHtml(texts.join("\n"));
    return `<details class="card"><summary>${escapeHtml(head)}</summary><pre>${lines}</pre></details>`;
  });
  return {
    id: "prompts",
    title: "What was asked",
    note: "Every text that the model was given, and where it comes from.",
    body: `<div class="stack">${cards.join("")}</div>`,
  };
}
