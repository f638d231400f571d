import type { CurvePlot } from "../../src/report/curves-svg.ts";
import type { Row } from "./report.ts";

/** A value or claim of the papers, and what we find. */
export interface CheckInput {
  /** Row of docs/seeds.md. */
  readonly row: string;
  readonly what: string;
  /** A printed value; a text for a claim without one. */
  readonly paper: number | string;
  readonly closed?: number | undefined;
  readonly simulated?: number | undefined;
  /** How far our values may lie from the printed one, in its own unit: half its last digit, or what "about" means there. */
  readonly tolerance?: number;
  /** How far the simulation may lie from the closed form, as a share of it: about three of its standard deviations. Infinity: they are two things. */
  readonly noise?: number;
  /** Whether a claim in words came true; needed if `paper` is a text. */
  readonly holds?: boolean;
  /** Said beside the verdict in any case. */
  readonly note?: string;
  /** Why it is not what the paper says, where that is known. */
  readonly otherwise?: { readonly verdict: "differs" | "misprint"; readonly why: string };
}

export type Verdict = "agree" | "differs" | "misprint" | "unexplained";

export interface Check extends CheckInput {
  readonly verdict: Verdict;
}

/** What one part of the papers comes to. */
export interface Findings {
  readonly checks: readonly Check[];
  readonly plots: readonly CurvePlot[];
}

/** Judges by the numbers; what departs without a reason is "unexplained", and so is a known departure that did not show. */
export function check(input: CheckInput): Check {
  const { paper, closed, simulated, tolerance = 0, noise = 0 } = input;
  const ours = [closed, simulated].filter((value) => value !== undefined);
  const isConsistent =
    closed === undefined ||
    simulated === undefined ||
    noise === Infinity ||
    Math.abs(simulated - closed) <= noise * Math.abs(closed);
  const isAsPrinted =
    typeof paper === "number" ? ours.every((value) => Math.abs(value - paper) <= tolerance) : input.holds === true;
  const expected: Verdict = input.otherwise === undefined ? "agree" : input.otherwise.verdict;
  const isExpected = isAsPrinted === (input.otherwise === undefined);
  return { ...input, verdict: isConsistent && isExpected ? expected : "unexplained" };
}

export function checkRow({ row, what, paper, closed, simulated, verdict, otherwise, note }: Check): Row {
  const why = [otherwise?.why, note].filter((text) => text !== undefined).join("; ");
  return { row, what, paper: cell(paper), closed: cell(closed), simulated: cell(simulated), verdict, why };
}

/** Four digits at least, and all of a whole number. */
function cell(value: number | string | undefined): string | undefined {
  if (typeof value !== "number") return value;
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 1000 ? value.toFixed(1) : String(Number(value.toPrecision(5)));
}
