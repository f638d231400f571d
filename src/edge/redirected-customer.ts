import { queryParameter } from "../delivery/request-target.ts";
import { verifySignedQuery } from "../trust/redirect-signature.ts";
import type { Mirror } from "./mirror.ts";

/**
 * What `daemon --only-redirected` makes of a request: `admitted` if central signed it for this mirror and content; `own-accord` if central has
 * not seen this customer yet, so may choose for it; `refused` if it was sent by a URL with a digest but no signature that counts: central
 * must serve it itself, or the customer would go round in circles.
 *
 * @param target raw, as in the request line
 */
export function originOfCustomer(
  { identity, situation, ports }: Mirror,
  target: string,
): "admitted" | "own-accord" | "refused" {
  const mark = target.indexOf("?");
  const query = mark < 0 ? "" : target.slice(mark + 1);
  const content = queryParameter(query, "sha256");
  if (content === undefined) return "own-accord";
  const { repository, volunteer } = identity;
  const isSigned = verifySignedQuery(
    situation.passKey,
    { repository, volunteer, content },
    {
      until: queryParameter(query, "until"),
      signature: queryParameter(query, "signature"),
      nowMs: ports.clock.wallMs(),
    },
  );
  return isSigned ? "admitted" : "refused";
}
