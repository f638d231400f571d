import { realClock } from "../../../src/net/real-clock.ts";
import { DEFAULT_PUBLISH_OPTIONS } from "../../../src/publisher/publish-options.ts";
import { publishTree } from "../../../src/publisher/publish-tree.ts";

// Publishes a tree in a process of its own, to be killed: node publish-child.ts TREE STATE WORK [N]
// With N it kills itself when the publisher looks at the wall clock for the Nth time: among others right before and
// right after the signature.
const [treePath, stateDirectory, workDirectory, killAt] = process.argv.slice(2);
let looks = 0;

function wallMs(): number {
  if (++looks === Number(killAt)) process.kill(process.pid, "SIGKILL");
  return realClock.wallMs();
}

await publishTree(
  {
    ...DEFAULT_PUBLISH_OPTIONS,
    treePath: treePath!,
    stateDirectory: stateDirectory!,
    workDirectory: workDirectory!,
    clock: { ...realClock, wallMs },
  },
  {
    onPhase: (name) => process.stdout.write(`${name}\n`),
    onScan: () => undefined,
    onHash: () => undefined,
  },
);
process.stdout.write("done\n");
