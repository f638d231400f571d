import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { basename, join } from "node:path";

/** A plain HTTP server on loopback for clients that ask for many ranges at once, and what it moved. */
export interface RangeServer extends AsyncDisposable {
  readonly url: string;
  /** File bytes sent, without headers. */
  bodyBytes(): number;
  /** All bytes in both directions. */
  socketBytes(): number;
}

const BOUNDARY = "prsync-bench-boundary";

/** Serves the files directly in `directory`. */
export async function serveRanges(directory: string): Promise<RangeServer> {
  const sockets = new Set<Socket>();
  let bodyBytes = 0;
  const server = createServer((request, response) => {
    bodyBytes += answer(request, response, readFileSync(join(directory, basename(request.url ?? "/"))));
  });
  server.on("connection", (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodyBytes: () => bodyBytes,
    socketBytes: () => [...sockets].reduce((sum, socket) => sum + socket.bytesRead + socket.bytesWritten, 0),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** @returns how many bytes of the file were sent */
function answer(request: IncomingMessage, response: ServerResponse, file: Buffer): number {
  const ranges = (/^bytes=(.*)$/.exec(request.headers.range ?? "")?.[1] ?? "")
    .split(",")
    .filter((text) => text !== "")
    .map((text) => text.split("-").map(Number) as [number, number]);
  const parts = ranges.map(([first, last]) => file.subarray(first, last + 1));
  if (ranges.length === 0) {
    response.end(file);
    return file.length;
  }
  response.statusCode = 206;
  const contentRange = (i: number): string => `bytes ${ranges[i]![0]}-${ranges[i]![1]}/${file.length}`;
  if (ranges.length === 1) {
    response.setHeader("Content-Range", contentRange(0));
    response.end(parts[0]);
  } else {
    response.setHeader("Content-Type", `multipart/byteranges; boundary=${BOUNDARY}`);
    const framed = parts.flatMap((part, i) => [
      Buffer.from(`\r\n--${BOUNDARY}\r\nContent-Range: ${contentRange(i)}\r\n\r\n`),
      part,
    ]);
    response.end(Buffer.concat([...framed, Buffer.from(`\r\n--${BOUNDARY}--\r\n`)]));
  }
  return parts.reduce((sum, part) => sum + part.length, 0);
}
