import type { DescriptionKind } from "./described-file.ts";

/** Media types of descriptions that can be had in place of a file; of equals the first is given. */
const METALINKS: readonly (readonly [type: string, kind: DescriptionKind])[] = [
  ["application/metalink4+xml", "meta4"],
  ["application/metalink+xml", "metalink"],
];

/** A metalink that a customer's `Accept` asks for at the path of the file itself. */
export interface WantedMetalink {
  readonly kind: DescriptionKind;
  /** The file will not do. */
  readonly isOnly: boolean;
}

/**
 * Whether `Accept` (RFC 9110 §12.5.1) names a metalink, and the file no more than it: RFC 6249's way for downloaders, which send it
 * beside a wildcard. A wildcard alone asks for the file.
 *
 * @param mediaType of the file
 */
export function wantedMetalink(accept: string | undefined, mediaType: string): WantedMetalink | undefined {
  // Most requests: not a word of it.
  if (accept === undefined || !/metalink/i.test(accept)) return undefined;
  const weights = weightsIn(accept);
  const [type = "", subtype = ""] = (mediaType.split(";")[0] ?? "").trim().split("/");
  const fileWeight = weights.get(`${type}/${subtype}`) ?? weights.get(`${type}/*`) ?? weights.get("*/*") ?? 0;
  let best: WantedMetalink | undefined;
  let bestWeight = 0;
  for (const [name, kind] of METALINKS) {
    const weight = weights.get(name) ?? 0;
    if (weight <= bestWeight || weight < fileWeight) continue;
    bestWeight = weight;
    best = { kind, isOnly: fileWeight === 0 };
  }
  return best;
}

/** By media range in lower case, 0 to 1. What makes no sense is left out. */
function weightsIn(accept: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const range of accept.split(",")) {
    const [name = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const given = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? "1";
    if (/^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(given)) weights.set(name, Number(given));
  }
  return weights;
}
