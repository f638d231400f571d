// Row H11: a real central whose connections are taken by strangers, and an honest customer beside them. `node bench/idle-connections.ts
// --idle 9000 --new 1000 --seconds 20`. Idle connections say nothing and come again when they are closed; new ones come and leave at once. From
// addresses of their own (support/strangers.ts). The honest customer asks for a small file, each time on a new connection.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { LoopbackCentral } from "../test/support/loopback-central.ts";
import { distributionOf } from "./support/distribution.ts";
import { printTable, type Row, writeResult } from "./support/report.ts";

const { values } = parseArgs({
  options: {
    idle: { type: "string", default: "9000" },
    new: { type: "string", default: "1000" },
    seconds: { type: "string", default: "20" },
    asked: { type: "string", default: "50" },
    name: { type: "string", default: "idle-connections" },
  },
});
const BODY = "small\n";

await using central = new LoopbackCentral("idle-connections");
writeFileSync(join(central.tree, "small.txt"), BODY);
await central.publish();
const serve = await central.serve();
const port = Number(new URL(central.url).port);

const rows: Row[] = [
  await measured("alone", 0, 0),
  await measured("beside strangers", Number(values.idle), Number(values.new)),
];
printTable(
  [
    { key: "scene", title: "scene" },
    { key: "idle", title: "idle held" },
    { key: "new", title: "new a second" },
    { key: "asked", title: "asked" },
    { key: "failed", title: "failed" },
    { key: "p50", title: "p50 ms", digits: 1 },
    { key: "p99", title: "p99 ms", digits: 1 },
    { key: "cpu", title: "central's CPU s", digits: 2 },
  ],
  rows,
);
writeResult(values.name, { rows, verdict: Number(rows[1]!["p99"]) <= 100 && rows[1]!["failed"] === 0 });

async function measured(scene: string, idle: number, perSecond: number): Promise<Row> {
  const words = [join(import.meta.dirname, "support/strangers.ts"), String(port), String(idle), String(perSecond)];
  const strangers = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  await once(strangers.stdout, "data");
  const startMs = performance.now();
  const cpuBefore = cpuSeconds(serve.child.pid!);
  const waits: number[] = [];
  let failed = 0;
  const pauseMs = 1000 / Number(values.asked);
  while (performance.now() - startMs < Number(values.seconds) * 1000) {
    const askedMs = performance.now();
    if (!(await isServed())) failed++;
    waits.push(performance.now() - askedMs);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, pauseMs - (performance.now() - askedMs))));
  }
  const cpu = cpuSeconds(serve.child.pid!) - cpuBefore;
  strangers.kill();
  const { p50, p99 } = distributionOf(Float64Array.from(waits));
  return { scene, idle, new: perSecond, asked: waits.length, failed, p50, p99, cpu };
}

async function isServed(): Promise<boolean> {
  try {
    const [answer] = (await once(
      get(`${central.url}/small.txt`, { agent: false, localAddress: "127.0.0.9" }),
      "response",
    )) as [IncomingMessage];
    return (await answer.setEncoding("utf8").toArray()).join("") === BODY;
  } catch {
    return false;
  }
}

/** Of a process so far, from the kernel's clock of 100 Hz. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  return (user! + system!) / 100;
}
