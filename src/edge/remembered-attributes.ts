import { type AttributeRules, PLAIN_ATTRIBUTES } from "../plan/held-attributes.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";

/**
 * The rules that this run goes by: as `asked`, else (`verify --repair`) those of the run before. Other rules than before concern
 * every path, whatever the releases say.
 * @param isTrial nothing is remembered
 */
export function rememberAttributes(
  index: MirrorIndex,
  asked: AttributeRules | undefined,
  isTrial: boolean,
): AttributeRules {
  const told = index.facts.get("attributeRules");
  // Written by this program into its own index, and rebuilt with it.
  const before = told === undefined ? PLAIN_ATTRIBUTES : (JSON.parse(told) as AttributeRules);
  const rules = asked ?? before;
  const text = JSON.stringify(rules);
  if (isTrial || text === JSON.stringify(before)) return rules;
  // What this run does to DEST outlives a power cut.
  index.durably(() => {
    index.facts.set("attributeRules", text);
    index.facts.set("lastWholeWalkMs", 0);
  });
  return rules;
}
