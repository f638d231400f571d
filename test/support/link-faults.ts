import { execFileSync } from "node:child_process";
import type { LinkEnd, TestHost } from "./network.ts";

/** One packet in ten, by the kernel's random numbers (reliability recipe: no netem on the usual test machine). */
const ONE_IN_TEN = "4,32 0 0 4294963256,53 1 0 429496729,6 0 0 4294967295,6 0 0 0,";

/** Both directions of the host's line from now on, in the words of tc ("20mbit"). */
export function changeRate(host: TestHost, rate: string): void {
  for (const end of [host.uplink, host.downlink]) limit(end, rate);
}

/** What the host sends has this rate, and every tenth packet of it is lost. */
export function loseOneInTen(host: TestHost, rate: string): void {
  const { uplink } = host;
  changeRate(host, rate); // both ends, and nothing of an earlier call: its root could not be replaced by the same
  // Without it the kernel hands over, and loses, up to 64 KiB as one packet.
  execFileSync("ip", ["-n", uplink.namespace, "link", "set", "dev", uplink.device, "gso_max_segs", "1"]);
  replaceRoot(uplink, "handle", "1:", "htb", "default", "10");
  tc(uplink, "class", "add", "parent", "1:", "classid", "1:10", "htb", "rate", rate, "burst", "64kb");
  tc(uplink, "class", "add", "parent", "1:", "classid", "1:20", "htb", "rate", rate);
  tc(uplink, "qdisc", "add", "parent", "1:20", "pfifo", "limit", "0");
  const match = ["bpf", "bytecode", ONE_IN_TEN, "flowid", "1:20"];
  tc(uplink, "filter", "add", "parent", "1:", "protocol", "all", "prio", "1", ...match);
}

/**
 * Packets from this host to the others are gone without a word, those of the other direction arrive; until the returned
 * function is called.
 */
export function dropTowards(host: TestHost, others: readonly TestHost[]): () => void {
  for (const other of others) route(host, "add", other);
  return () => {
    for (const other of others) route(host, "delete", other);
  };
}

/** The cable is pulled, nobody is told; until the returned function is called. */
export function cutLine({ downlink: { namespace, device } }: TestHost): () => void {
  const set = (state: "up" | "down"): void => {
    execFileSync("ip", ["-n", namespace, "link", "set", device, state]);
  };
  set("down");
  return () => set("up");
}

/** No packet passes between the halves until the returned function is called. */
export function splitNetwork(left: readonly TestHost[], right: readonly TestHost[]): () => void {
  const joins = [...left.map((host) => dropTowards(host, right)), ...right.map((host) => dropTowards(host, left))];
  return () => {
    for (const join of joins) join();
  };
}

/** Packets that the host's own end of the line dropped, for whatever reason. */
export function droppedPackets({ uplink: { namespace, device } }: TestHost): number {
  const words = ["netns", "exec", namespace, "tc", "-s", "-j", "qdisc", "show", "dev", device];
  const disciplines = JSON.parse(execFileSync("ip", words, { encoding: "utf8" })) as { readonly drops: number }[];
  return Math.max(...disciplines.map(({ drops }) => drops));
}

function limit(end: LinkEnd, rate: string): void {
  replaceRoot(end, "tbf", "rate", rate, "burst", "64kb", "latency", "50ms");
}

function replaceRoot(end: LinkEnd, ...words: readonly string[]): void {
  tc(end, "qdisc", "replace", "root", ...words);
}

function tc({ namespace, device }: LinkEnd, object: string, verb: string, ...words: readonly string[]): void {
  execFileSync("ip", ["netns", "exec", namespace, "tc", object, verb, "dev", device, ...words], { stdio: "pipe" });
}

function route(host: TestHost, verb: "add" | "delete", other: TestHost): void {
  execFileSync("ip", ["-n", host.uplink.namespace, "route", verb, "blackhole", `${other.address}/32`]);
}
