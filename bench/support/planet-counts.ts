import { check, type Check } from "./planet-check.ts";

// Counts in the text and in table 2 of Planet Scale Software Updates, which must fit each other. No simulation: arithmetic of
// printed numbers.

/** All counts that can be checked against others. */
export function countChecks(): readonly Check[] {
  const row = "B2 counts";
  return [
    check({ row, what: "files: in groups and alone", paper: 2029, closed: 2003 + 26, tolerance: 0 }),
    check({ row, what: "patches: in groups and alone", paper: 3379, closed: 3188 + 191, tolerance: 0 }),
    check({
      row,
      what: "groups 2 to 5 have at most 200 files each: mean",
      paper: "≤ 200",
      closed: (1877 - 1460) / 4,
      holds: (1877 - 1460) / 4 <= 200,
    }),
    check({
      row,
      what: "groups 6 to 26 have two files each and more: mean",
      paper: "≥ 2",
      closed: (2003 - 1877) / 21,
      holds: (2003 - 1877) / 21 >= 2,
    }),
    check({
      row,
      what: "percent of addresses that appear on the first day, 117 of 150 million",
      paper: 80,
      closed: (100 * 117) / 150,
      tolerance: 5,
      note: `"approximately 80 %"`,
    }),
    check({
      row,
      what: "new addresses: first day over second, 117 / 22",
      paper: 10,
      closed: 117 / 22,
      tolerance: 3,
      otherwise: { verdict: "misprint", why: `"an order of magnitude", beside its own counts of 117 and 22 million` },
    }),
    check({ row, what: "new addresses: second day over third, 22 / 11", paper: 2, closed: 22 / 11, tolerance: 0 }),
    check({
      row,
      what: "million users left to the server by caches, 300 × (1 − 0.29), most 240",
      paper: 210,
      closed: 300 * (1 - 0.29),
      tolerance: 5,
    }),
    check({
      row: "B2 Table 2",
      what: "million queries in ten minutes, 300 million a day",
      paper: "figure 1: 0 to 3.5",
      closed: 300 / 144,
      holds: 300 / 144 < 3.5,
    }),
    check({
      row: "B2 Table 2",
      what: "MB of all deltas of SP2, 12,000 of 32.9 kB",
      paper: 266,
      closed: (12_000 * 32.9) / 1000,
      tolerance: 30,
      otherwise: {
        verdict: "misprint",
        why: "table 2's 12K+ deltas with section 3's mean size make 395 MB; one of the three is wrong",
      },
    }),
    check({
      row: "B2 Table 2",
      what: "section 4.3: a patch of June 2005 is seen in Set-II",
      paper: "Set-II",
      holds: false,
      otherwise: { verdict: "misprint", why: "table 2 has Set-II end in January 2005; June to August 2005 is Set-III" },
    }),
  ];
}
