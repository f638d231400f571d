import type { Command } from "./command.ts";

/** All commands, in the order in which people meet them; each is loaded when it is meant, so that it costs no other's memory and start. */
const LOADERS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ["publish", async () => (await import("./commands/publish.ts")).publishCommand],
  ["serve", async () => (await import("./commands/serve.ts")).serveCommand],
  ["invite", async () => (await import("./commands/invite.ts")).inviteCommand],
  ["volunteers", async () => (await import("./commands/volunteers.ts")).volunteersCommand],
  ["keys", async () => (await import("./commands/keys.ts")).keysCommand],
  ["sync", async () => (await import("./commands/sync.ts")).syncCommand],
  ["daemon", async () => (await import("./commands/daemon.ts")).daemonCommand],
  ["status", async () => (await import("./commands/status.ts")).statusCommand],
  ["verify", async () => (await import("./commands/verify.ts")).verifyCommand],
  ["analyze", async () => (await import("./commands/analyze.ts")).analyzeCommand],
  ["simulate", async () => (await import("./commands/simulate.ts")).simulateCommand],
  ["demo", async () => (await import("./commands/demo.ts")).demoCommand],
]);

/** Undefined if none has the name. */
export async function loadCommand(name: string): Promise<Command | undefined> {
  return LOADERS.get(name)?.();
}

/** Every command, in their order. */
export async function loadCommands(): Promise<readonly Command[]> {
  return Promise.all([...LOADERS.values()].map((load) => load()));
}
