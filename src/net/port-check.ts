import { connect } from "node:net";

/** True if something accepts TCP connections there within the time. Sends nothing. */
export function canConnect(
  address: { readonly host: string; readonly port: number },
  timeoutMs: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    const finish = (isReachable: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(isReachable);
    };
    const timer = setTimeout(() => finish(false), timeoutMs);
    socket.once("connect", () => finish(true));
    // Stays attached: an error after the answer must not end the process.
    socket.on("error", () => finish(false));
  });
}
