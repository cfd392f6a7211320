/** `limn/report`: HTML reports of runs. */
export { runReport, type RunReportOptions } from "../train/run/run-report.ts";
export type { SearchedPicture, SearchOptions } from "../train/run/run-searches.ts";
export { renderReport, writeReport } from "../report/report.ts";
export type { ReportData } from "../report/types.ts";
