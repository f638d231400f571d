import { displayPath, type RepoPath } from "../core/repo-path.ts";
import { expectedSeconds } from "./delivery-volunteer.ts";
import type { Choice } from "./choose-volunteer.ts";
import type { Customer, RejectReason } from "./eligibility.ts";

/** Why central serves a request itself; undefined if a volunteer does. */
export type OriginReason =
  "asked-for-origin" | "small" | "not-modified" | "repeated" | "nobody" | "no-redirects" | "lost";

/** The answer to `PATH?explain`. */
export interface Explanation {
  readonly path: string;
  readonly content: string;
  readonly release: number;
  readonly customer: Customer;
  readonly origin?: OriginReason;
  readonly ranked: readonly {
    readonly name: string;
    readonly url: string;
    readonly site?: string;
    readonly waitSeconds: number;
  }[];
  readonly rejected: readonly {
    readonly name: string;
    readonly reason: RejectReason;
    /** Of `audit-failed`: what was wrong. */
    readonly detail?: string;
  }[];
}

/** What was asked for. */
export interface ExplainedRequest {
  readonly path: RepoPath;
  readonly content: string;
  readonly lengthBytes: number;
  readonly release: number;
  readonly customer: Customer;
}

/** What was decided, as a value without anything that a customer may not know: no addresses, no ids. */
export function explain(decided: ExplainedRequest, choice: Choice, origin: OriginReason | undefined): Explanation {
  return {
    path: displayPath(decided.path),
    content: decided.content,
    release: decided.release,
    customer: decided.customer,
    ...(origin === undefined ? {} : { origin }),
    ranked: choice.ranked.map(({ name, url = "", site, load }) => ({
      name,
      url,
      ...(site === undefined ? {} : { site }),
      waitSeconds: Math.round(expectedSeconds(load, decided.lengthBytes) * 10) / 10,
    })),
    rejected: choice.rejected.map(({ volunteer: { name, auditFailure }, reason }) => {
      return reason === "audit-failed" && auditFailure !== undefined
        ? { name, reason, detail: auditFailure }
        : { name, reason };
    }),
  };
}

const ORIGIN_WORDS: Readonly<Record<OriginReason, string>> = {
  "asked-for-origin": "a volunteer sent the customer back, or the request asks for it (origin=1)",
  small: "the file is too small to send anybody elsewhere for it",
  "not-modified": "the customer has it already",
  repeated: "two volunteers did not help within the last seconds",
  nobody: "no volunteer is eligible",
  "no-redirects": "redirects are switched off (serve --no-redirect)",
  lost: "503 until the next release: its copy of the content is gone, and nobody else is asked for it",
};

const REJECT_WORDS: Readonly<Record<RejectReason, string>> = {
  draining: "the operator drains it",
  silent: "not heard of for two announce intervals",
  "audit-failed": "failed an audit",
  "no-customers": "takes no customers, or told no URL for them",
  "other-site": "takes customers of its own site only",
  "other-protocol": "http where the customer came by https, or the other way round",
  "other-address-family": "its URL is an IPv4 address and the customer's an IPv6 one, or the other way round",
  "other-network": "its URL is an address that can't be reached from the customer's network",
  "older-release": "not at the newest release, and this is an index file of it or its web server knows names alone",
  synchronising: "its files are changing, and its web server knows names alone",
  "not-held": "does not hold this content, or not at each of its names and its web server knows names alone",
  "missed-lately": "sent a customer back for this content a moment ago",
};

/** For people, in plain text. */
export function renderExplanation(explanation: Explanation): string {
  const { customer, ranked, rejected, origin } = explanation;
  const chosen = origin !== undefined ? `central itself: ${ORIGIN_WORDS[origin]}` : `${ranked[0]!.name}`;
  return [
    `path      ${explanation.path}`,
    `content   sha256 ${explanation.content}, release ${explanation.release}`,
    `customer  ${customer.address}, ${customer.protocol}, site ${customer.site ?? "unknown"}`,
    `answer    ${chosen}`,
    "",
    "eligible, best first:",
    ...listed(
      ranked.map((row) => `${row.name}  ${row.url}  site ${row.site ?? "unknown"}, expected wait ${row.waitSeconds} s`),
    ),
    "",
    "not eligible:",
    ...listed(rejected.map(({ name, reason, detail }) => `${name}  ${reason}: ${detail ?? REJECT_WORDS[reason]}`)),
    "",
  ].join("\n");
}

function listed(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? ["  (none)"] : lines.map((line) => `  ${line}`);
}
