/** `limn/report`: HTML reports of runs, suites, comparisons and audits. */
export { runReport, type RunReportOptions } from "../train/run/run-report.ts";
export type { SearchedPicture, SearchOptions } from "../train/run/run-searches.ts";
export { renderReport, writeReport } from "../report/report.ts";
export type { ReportData } from "../report/types.ts";
export { renderSuitePage } from "../report/suite-page.ts";
export { renderComparison, writeComparison } from "../report/comparison-page.ts";
export { renderAudit, writeAudit } from "../report/pages/audit-page.ts";
