import { parentPort, workerData } from "node:worker_threads";
import { LogBlock, type LogBlockMemory } from "../analyze/log-block.ts";
import { parseBlock } from "../analyze/parse-block.ts";

// Reads the block whose number comes and answers with that number: what a block holds lies in memory that both threads share.
const blocks = (workerData as readonly LogBlockMemory[]).map((memory) => new LogBlock(memory));
parentPort!.on("message", (number: number) => {
  parseBlock(blocks[number]!);
  parentPort!.postMessage(number);
});
