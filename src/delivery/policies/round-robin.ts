import type { Policy } from "./policy.ts";

/** In turn by id, going on behind the volunteer that was named first the last time. */
export function roundRobin(): Policy {
  return goingOnAfter("");
}

function goingOnAfter(last: string): Policy {
  return {
    needsAll: true,
    copy: () => goingOnAfter(last),
    rank: (candidates, _demand, count) => {
      const byId = [...candidates].sort((a, b) => (a.id < b.id ? -1 : 1));
      const next = byId.findIndex(({ id }) => id > last);
      const turned = next < 0 ? byId : [...byId.slice(next), ...byId.slice(0, next)];
      if (turned.length > 0) last = turned[0]!.id;
      return turned.slice(0, count);
    },
  };
}
