// A million announces of stock clients and of volunteers, each from an address of its own, through the parts of central that remember
// something of them; prints by how much grew what lives, as `{"grownBytes": …}`: V8 keeps pages beyond that as it sees fit. Needs --expose-gc.
import { AnnounceBudget } from "../../src/tracker/announce-budget.ts";
import { DEFAULT_STOCK_SWARM_LIMITS, StockSwarms } from "../../src/tracker/stock-swarms.ts";
import { parseStockAnnounce } from "../../src/tracker/stock-announce.ts";
import { ManualClock } from "./manual-clock.ts";

const ANNOUNCES = 1_000_000;
const clock = new ManualClock();
const swarms = new StockSwarms(clock, { ...DEFAULT_STOCK_SWARM_LIMITS, intervalMs: 1_800_000 });
const budget = new AnnounceBudget();

// Compiled, and with the heap that a busy program has anyway.
play(0, 20_000);
const before = settledBytes();
play(20_000, ANNOUNCES);
console.log(JSON.stringify({ grownBytes: settledBytes() - before }));

function play(from: number, to: number): void {
  for (let number = from; number < to; number++) {
    clock.advance(1);
    const address = `${20 + (number >> 24)}.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
    const peer = `%${hex(number >> 8)}%${hex(number)}`.padEnd(30, "peer-of-20-bytes-xxxxxxxx").slice(0, 24);
    budget.mayAddress(address, clock.monotonicMs());
    budget.mayVolunteer(`volunteer ${number}`, clock.monotonicMs());
    const query = `info_hash=${"a".repeat(20)}&peer_id=${peer}&port=${1 + (number % 60_000)}&left=1&numwant=4294967295`;
    swarms.announce(parseStockAnnounce(query), address);
  }
}

function hex(byte: number): string {
  return (byte & 255).toString(16).padStart(2, "0");
}

function settledBytes(): number {
  for (let turn = 0; turn < 3; turn++) globalThis.gc!();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
