/** nginx and Apache write bytes of a request that are no printable ASCII, quotes and backslashes as "\xC3": as "%C3" instead. */
export function withoutServersEscapes(path: string): string {
  return path.includes("\\x") ? path.replace(/\\x([0-9A-Fa-f]{2})/g, "%$1") : path;
}
