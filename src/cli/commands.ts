import type { Command } from "./command.ts";
import { analyzeCommand } from "./commands/analyze.ts";
import { daemonCommand } from "./commands/daemon.ts";
import { demoCommand } from "./commands/demo.ts";
import { inviteCommand } from "./commands/invite.ts";
import { keysCommand } from "./commands/keys.ts";
import { publishCommand } from "./commands/publish.ts";
import { serveCommand } from "./commands/serve.ts";
import { statusCommand } from "./commands/status.ts";
import { syncCommand } from "./commands/sync.ts";
import { verifyCommand } from "./commands/verify.ts";
import { volunteersCommand } from "./commands/volunteers.ts";

/** All commands, in the order in which people meet them. */
export const COMMANDS: readonly Command[] = [
  publishCommand,
  serveCommand,
  inviteCommand,
  volunteersCommand,
  keysCommand,
  syncCommand,
  daemonCommand,
  statusCommand,
  verifyCommand,
  analyzeCommand,
  demoCommand,
];
