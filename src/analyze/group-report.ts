import { ALIKE_COSINE, groupByCosine, leastCosine } from "../model/cosine-groups.ts";
import { mixBits } from "./byte-hash.ts";
import { CappedTable } from "./capped-table.ts";
import { fileMark, type Request } from "./request.ts";

const MAX_PAIRS = 350_000;
/** Who takes more files mirrors them: its further files say nothing of likeness, and would fill the table. */
const MAX_FILES_PER_CUSTOMER = 1024;
/** Likeness is compared pair by pair: 1,024 files over 8,192 customers take about a second. */
const MAX_FILES = 1024;
const MAX_CUSTOMERS = 8192;
/** With fewer customers a cosine above the threshold comes by chance. */
const LEAST_CUSTOMERS = 5;

/** A file that may belong to a group. */
export interface GroupCandidate {
  readonly name: string;
  /** {@link fileMark} */
  readonly mark: number;
}

export interface GroupReport {
  readonly threshold: number;
  /** Files compared: the most requested ones that 5 sampled customers and more asked for. */
  readonly files: number;
  readonly customers: number;
  /** Each customer compared stands for so many. */
  readonly customerScale: number;
  readonly groups: readonly { readonly files: readonly string[]; readonly leastCosine: number }[];
  readonly single: number;
}

/** Which customers asked for which files. */
export class CustomerFiles {
  readonly #pairs = new CappedTable({ columns: 0, maxRows: MAX_PAIRS, sampledBy: "first" });
  readonly #counts = new CappedTable({ columns: 1, maxRows: MAX_PAIRS, sampledBy: "first" });

  add({ client, fileFirst, fileSecond }: Request): void {
    const mark = fileMark(fileFirst, fileSecond);
    if (this.#pairs.find(client, mark) >= 0) return;
    const customer = this.#counts.slotOf(client, 0);
    if (customer < 0) return;
    const counts = this.#counts.values;
    if (counts[customer]! >= MAX_FILES_PER_CUSTOMER) return;
    if (this.#pairs.slotOf(client, mark) >= 0) counts[customer]!++;
  }

  /** @param candidates most requested first */
  groups(candidates: readonly GroupCandidate[]): GroupReport {
    const { customersByMark, customers, scale } = this.#sampled(new Set(candidates.map(({ mark }) => mark)));
    const compared = candidates
      .filter(({ mark }) => (customersByMark.get(mark)?.length ?? 0) >= LEAST_CUSTOMERS)
      .slice(0, MAX_FILES);
    const vectors = compared.map(({ mark }) => customersByMark.get(mark)!);
    const { groups, singles } = groupByCosine(vectors);
    return {
      threshold: ALIKE_COSINE,
      files: compared.length,
      customers,
      customerScale: scale,
      groups: groups.map((members) => ({
        files: members.map((index) => compared[index]!.name),
        leastCosine: leastCosine(members.slice(0, MOST_OF_GROUP).map((index) => vectors[index]!)),
      })),
      single: singles.length,
    };
  }

  /** Customers numbered from 0, by the files they asked for; halved until they are few enough. */
  #sampled(marks: ReadonlySet<number>): Sampled {
    let mask = 0;
    for (;;) {
      const numbers = new Map<number, number>();
      const customersByMark = new Map<number, number[]>();
      for (const slot of this.#pairs.slots()) {
        const [client, mark] = [this.#pairs.firstOf(slot), this.#pairs.secondOf(slot)];
        if (!marks.has(mark) || (mixBits(client ^ 0x3c6ef372) & mask) !== 0) continue;
        const number = numbers.get(client) ?? numbers.size;
        if (number >= MAX_CUSTOMERS) break;
        numbers.set(client, number);
        const customers = customersByMark.get(mark);
        if (customers === undefined) customersByMark.set(mark, [number]);
        else customers.push(number);
      }
      if (numbers.size < MAX_CUSTOMERS)
        return { customersByMark, customers: numbers.size, scale: this.#pairs.scale * (mask + 1) };
      mask = mask * 2 + 1;
    }
  }
}

/** The least cosine is told of so many members; each further one is compared with all. */
const MOST_OF_GROUP = 100;

interface Sampled {
  readonly customersByMark: ReadonlyMap<number, readonly number[]>;
  readonly customers: number;
  readonly scale: number;
}
