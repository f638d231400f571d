import { closeSync, constants, openSync } from "node:fs";
import { basename, dirname } from "node:path";

/** sun_path holds 108 bytes with its NUL (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107;

/** A path that bind and connect accept; valid until disposed. */
export interface SocketPath extends Disposable {
  readonly path: string;
}

/** Reaches a socket below a long path through a descriptor of its directory. */
export function openSocketPath(socketPath: string): SocketPath {
  if (Buffer.byteLength(socketPath) <= MAX_SOCKET_PATH_BYTES) {
    return { path: socketPath, [Symbol.dispose]: () => undefined };
  }
  const descriptor = openSync(dirname(socketPath), constants.O_RDONLY | constants.O_DIRECTORY);
  return {
    path: `/proc/self/fd/${descriptor}/${basename(socketPath)}`,
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}
