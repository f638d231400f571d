import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A socket of a process, as the kernel lists it. */
export interface ProcessSocket {
  readonly protocol: SocketProtocol;
  readonly localPort: number;
  /** Of TCP: waits for connections. */
  readonly isListening: boolean;
}

type SocketProtocol = "tcp" | "tcp6" | "udp" | "udp6" | "udplite" | "udplite6";
const LISTEN = "0A";

/** Sockets of these protocols that a process of this host has open. */
export function socketsOf(pid: number, protocols: readonly SocketProtocol[]): readonly ProcessSocket[] {
  const own = socketInodes(pid);
  return protocols.flatMap((protocol) => {
    const lines = readFileSync(`/proc/${pid}/net/${protocol}`, "utf8").trim().split("\n").slice(1);
    const rows = lines.map((line) => line.trim().split(/\s+/));
    return rows
      .filter((fields) => own.has(fields[9]!))
      .map((fields) => ({
        protocol,
        localPort: parseInt(fields[1]!.split(":").at(-1)!, 16),
        isListening: protocol.startsWith("tcp") && fields[3] === LISTEN,
      }));
  });
}

/** Where the open files of a process are, as the kernel tells: "(deleted)" stands after what has no name any more. */
export function openFilesOf(pid: number): readonly string[] {
  return descriptorLinks(pid).filter((link) => link.startsWith("/"));
}

function descriptorLinks(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`).map((name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`);
    } catch {
      // Closed meanwhile.
      return "";
    }
  });
}

function socketInodes(pid: number): ReadonlySet<string> {
  const links = descriptorLinks(pid);
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
}
