// `node bench/support/strangers.ts PORT IDLE NEW_PER_SECOND`, until it is killed: connections to a port of loopback that say nothing and come again
// when they are closed, and others that come and leave at once, from many addresses. Prints a line once the idle ones are there. A process of its own, so that
// who measures beside it is not held up by it.
import { connect, type Socket } from "node:net";

const [port = 0, idle = 0, perSecond = 0] = process.argv.slice(2).map(Number);
/** Below what central allows one address. */
const PER_ADDRESS = 900;
const TICK_MS = 20;

for (let number = 0; number < idle; number++) {
  hold(number);
  if (number % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 50));
}
console.log("ready");
let came = 0;
const startMs = performance.now();
setInterval(() => {
  for (const due = ((performance.now() - startMs) / 1000) * perSecond; came < due; came++) {
    const socket = from(`127.4.0.${1 + (came % 200)}`);
    socket.on("connect", () => socket.destroy());
  }
}, TICK_MS);

function hold(number: number): void {
  from(`127.3.0.${1 + Math.floor(number / PER_ADDRESS)}`).on("close", () => hold(number));
}

function from(localAddress: string): Socket {
  return connect({ host: "127.0.0.1", port, localAddress })
    .on("error", () => undefined)
    .resume();
}
