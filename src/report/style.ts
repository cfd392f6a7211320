/** The look of a report: one style sheet, light and dark, from phones to paper. */

export const styleSheet: string = `
:root {
  --page: #f6f7f9; --card: #ffffff; --text: #1b2130; --muted: #667085; --line: #e4e7ec;
  --grid: #eceef2; --axis: #98a2b3; --accent: #2563eb; --accent-soft: #dbe6fd;
  --good: #047857; --good-soft: #d7f2e6; --bad: #b42318; --bad-soft: #fde3e0; --chance: #d97706;
  --series-1: #2563eb; --series-2: #d97706; --series-3: #059669; --series-4: #9333ea;
  --shadow: 0 1px 2px rgb(16 24 40 / 6%), 0 1px 3px rgb(16 24 40 / 8%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1117; --card: #171b24; --text: #e6e9ef; --muted: #98a2b3; --line: #2a303c;
    --grid: #232936; --axis: #5d6675; --accent: #6ea2ff; --accent-soft: #22355c;
    --good: #4ade9c; --good-soft: #12382a; --bad: #ff8f85; --bad-soft: #45201d; --chance: #f5b04c;
    --series-1: #6ea2ff; --series-2: #f5b04c; --series-3: #4ade9c; --series-4: #c792ff;
    --shadow: none;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
header, main, footer { max-width: 1180px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 36px; }
h1 { margin: 0; font-size: 28px; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 0 0 4px; font-size: 20px; letter-spacing: -0.005em; }
h3 { margin: 0; font-size: 15px; }
p { margin: 0 0 10px; max-width: 75ch; }
.subtitle, .note { color: var(--muted); }
.subtitle { margin: 6px 0 0; }
nav { display: flex; flex-wrap: wrap; gap: 6px 18px; margin: 18px 0 0; padding-bottom: 14px;
  border-bottom: 1px solid var(--line); }
nav a { color: var(--muted); text-decoration: none; font-weight: 500; }
nav a:hover, nav a:focus-visible { color: var(--accent); text-decoration: underline; }
section { margin: 30px 0 44px; scroll-margin-top: 12px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  box-shadow: var(--shadow); padding: 16px 18px; }
.grid { display: grid; gap: 14px; margin-top: 14px; }
.facts { grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); }
.fact b { display: block; font-size: 26px; line-height: 1.25; font-weight: 650;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.fact span { color: var(--muted); font-size: 13px; display: block; }
.warnings { margin: 10px 0 0; padding-left: 34px; border-color: var(--bad); background: var(--bad-soft); }
.warnings li { max-width: 75ch; }
.charts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 350px), 1fr)); }
.chart { display: block; width: 100%; height: auto; margin-top: 8px; }
.chart-head { display: flex; justify-content: space-between; gap: 12px; align-items: baseline; }
.chart-head output { font-weight: 650; font-variant-numeric: tabular-nums; white-space: nowrap; }
.explain { color: var(--muted); font-size: 13px; margin: 2px 0 0; }
.key, code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.key { color: var(--muted); font-size: 12px; overflow-wrap: anywhere; }
.stack { display: grid; gap: 14px; margin-top: 14px; }
.stack > *, .grid > * { min-width: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 8px 12px 8px 0; text-align: right; vertical-align: middle; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; }
td:last-child, th:last-child { padding-right: 0; }
th { color: var(--muted); font-size: 12px; font-weight: 600; border-bottom: 1px solid var(--line); }
tr + tr td { border-top: 1px solid var(--grid); }
td.bar-cell { width: 32%; min-width: 150px; }
td strong { font-size: 16px; }
.bar { position: relative; display: block; height: 12px; border-radius: 4px; background: var(--grid); }
.bar i { position: absolute; top: 0; bottom: 0; }
.bar .fill { left: 0; background: var(--accent); border-radius: 4px; }
.bar .interval { top: 5px; bottom: 5px; min-width: 2px; background: var(--text); }
.bar .chance { width: 2px; top: -3px; bottom: -3px; background: var(--chance); }
.key-line { color: var(--muted); font-size: 12.5px; margin: 10px 0 0; display: flex; gap: 4px 18px;
  flex-wrap: wrap; }
.key-line i { display: inline-block; vertical-align: middle; margin-right: 6px; width: 16px;
  height: 8px; border-radius: 2px; background: var(--accent); }
.key-line .interval { height: 2px; background: var(--text); }
.key-line .chance { width: 2px; height: 13px; background: var(--chance); }
.scroll + .explain { margin-top: 12px; }
.confused { display: flex; flex-wrap: wrap; gap: 6px 8px; margin: 8px 0 0; padding: 0; list-style: none; }
.confused li { background: var(--page); border: 1px solid var(--line); border-radius: 99px;
  padding: 1px 10px; font-size: 13px; }
.samples { grid-template-columns: repeat(auto-fill, minmax(min(100%, 255px), 1fr)); }
.sample { padding: 0; overflow: hidden; display: flex; flex-direction: column; }
.sample .picture { background: #fff; border-bottom: 1px solid var(--line); padding: 14px;
  display: grid; place-items: center; }
.sample img { width: 132px; height: 132px; object-fit: contain; display: block; }
.sample .body { padding: 12px 14px 14px; display: grid; gap: 8px; }
.verdict { display: flex; gap: 8px; align-items: flex-start; font-weight: 600; line-height: 1.35; }
.verdict small { display: block; font-weight: 400; color: var(--muted); font-size: 12px; }
.mark { flex: none; width: 20px; height: 20px; border-radius: 50%; display: grid;
  place-items: center; font-size: 12px; line-height: 1; margin-top: 1px; }
.right .mark, .mark.right { background: var(--good-soft); color: var(--good); }
.wrong .mark, .mark.wrong { background: var(--bad-soft); color: var(--bad); }
.guesses { list-style: none; margin: 0; padding: 0; display: grid; gap: 4px; font-size: 13px; }
.guesses li { position: relative; display: flex; justify-content: space-between; gap: 10px;
  padding: 2px 8px; border-radius: 5px; background: var(--grid); overflow: hidden; }
.guesses i { position: absolute; inset: 0 auto 0 0; background: var(--accent-soft); }
.guesses .correct i { background: var(--good-soft); }
.guesses span { position: relative; overflow-wrap: anywhere; }
.guesses .correct span:first-of-type { font-weight: 650; color: var(--good); }
.guesses .score { color: var(--muted); font-variant-numeric: tabular-nums; white-space: nowrap; }
.query { display: flex; gap: 8px; align-items: baseline; margin-bottom: 10px; }
.query q { font-weight: 600; font-size: 16px; overflow-wrap: anywhere; }
.found { display: grid; gap: 10px; grid-template-columns: repeat(auto-fill, minmax(118px, 1fr)); }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
figure img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: #fff;
  padding: 8px; }
figure.correct { border: 2px solid var(--good); }
figcaption { padding: 5px 8px 6px; font-size: 12px; line-height: 1.3; overflow-wrap: anywhere;
  border-top: 1px solid var(--line); }
figcaption span { color: var(--muted); display: block; font-variant-numeric: tabular-nums; }
figure.correct figcaption b { color: var(--good); }
figcaption b { font-weight: 600; }
pre { margin: 0; padding: 14px 16px; overflow: auto; max-height: 520px; font-size: 12.5px;
  line-height: 1.5; }
details.card { padding: 0; }
summary { cursor: pointer; padding: 13px 18px; font-weight: 600; }
details pre { border-top: 1px solid var(--line); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 6px 22px; margin: 0; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
footer { color: var(--muted); font-size: 13px; padding-bottom: 40px; }
.halves { columns: 2 440px; column-gap: 14px; margin-top: 14px; }
.halves .card { break-inside: avoid; margin-bottom: 14px; }
.scroll + .scroll { margin-top: 18px; }
.chart + .scroll { margin-top: 12px; }
tr.muted td { color: var(--muted); }
ul.plain { margin: 8px 0 0; padding-left: 20px; }
ul.plain li { max-width: 75ch; margin-bottom: 6px; }
.findings { list-style: none; margin: 14px 0 0; padding: 0; display: grid; gap: 8px; }
.findings li { display: grid; grid-template-columns: 112px 1fr; gap: 4px 14px; padding: 12px 16px;
  background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--axis);
  border-radius: 8px; }
.findings span { max-width: 85ch; }
.findings b { color: var(--muted); font-size: 13px; line-height: 1.8; }
.findings .serious { border-left-color: var(--bad); } .findings .serious b { color: var(--bad); }
.findings .notable { border-left-color: var(--chance); } .findings .notable b { color: var(--chance); }
@media (max-width: 640px) {
  .findings li { grid-template-columns: 1fr; }
  thead { display: none; } tbody, table { display: block; }
  tr { display: grid; grid-template-columns: repeat(4, auto); gap: 2px 12px; padding: 10px 0;
    justify-content: space-between; }
  tr + tr { border-top: 1px solid var(--grid); } tr + tr td { border: 0; }
  td { padding: 0; text-align: left; display: block; font-size: 13px; }
  td strong { font-size: 14px; }
  td:first-child, td.bar-cell { grid-column: 1 / -1; width: auto; }
  td.bar-cell { padding: 5px 0 4px; } td.bar-cell:empty { display: none; }
  td[data-label]::before { content: attr(data-label); display: block; color: var(--muted);
    font-size: 11px; }
}
@media (max-width: 560px) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; }
  h1 { font-size: 23px; } header { padding-top: 22px; } }
@media print { body { background: #fff; } nav { display: none; } .card { break-inside: avoid;
  box-shadow: none; } pre { max-height: none; white-space: pre-wrap; } }
`;
