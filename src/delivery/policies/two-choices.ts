import type { Random } from "../../core/clock.ts";
import { addedSeconds, type DeliveryVolunteer } from "../delivery-volunteer.ts";
import type { Policy, PolicyDemand } from "./policy.ts";

/**
 * Of two drawn at random the one with the shorter expected time, what others lose counted (Mitzenmacher's power of two choices): nearly as even as the
 * best of all, and it does not herd when what is known of the loads is old.
 */
export function twoChoices(random: Random): Policy {
  return {
    rank: <V extends DeliveryVolunteer>(
      candidates: readonly V[],
      { lengthBytes }: PolicyDemand,
      count: number,
    ): V[] => {
      const left = [...candidates];
      const ranked: V[] = [];
      while (ranked.length < count && left.length > 0) {
        const first = draw(left, random);
        const second = left.length > 0 ? draw(left, random) : first;
        const isFirst = addedSeconds(first.load, lengthBytes) <= addedSeconds(second.load, lengthBytes);
        const [better, worse] = isFirst ? [first, second] : [second, first];
        ranked.push(better);
        if (worse !== better) left.push(worse);
      }
      return ranked;
    },
  };
}

/** Takes one out. */
function draw<V>(from: V[], random: Random): V {
  const at = Math.floor(random() * from.length);
  const drawn = from[at]!;
  from[at] = from.at(-1)!;
  from.pop();
  return drawn;
}
