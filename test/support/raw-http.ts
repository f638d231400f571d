import { connect } from "node:net";

/** Writes bytes to a port and gives all that comes back until the server closes or `waitMs` passed, as latin1. */
export function rawExchange(port: number, bytes: string, waitMs = 2_000): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let received = "";
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(received);
    };
    const timer = setTimeout(finish, waitMs);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => (received += text));
    socket.on("end", finish);
    socket.on("close", finish);
    socket.on("error", () => undefined);
    socket.write(bytes, "latin1");
  });
}

/** Status of a raw answer; 0 if the server closed without one. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0);
}
