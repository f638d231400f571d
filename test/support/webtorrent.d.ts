/** The part of webtorrent 3.0.21 that tests and benches use; the package comes without types. */
declare module "webtorrent" {
  import type { EventEmitter } from "node:events";

  export interface Torrent extends EventEmitter {
    readonly done: boolean;
    /** Payload bytes received. */
    readonly downloaded: number;
    /** @param address "host:port" */
    addPeer(address: string): void;
  }

  // eslint-disable-next-line no-restricted-exports -- so the package does
  export default class WebTorrent extends EventEmitter {
    static readonly VERSION: string;
    constructor(options: {
      readonly dht: boolean;
      readonly lsd: boolean;
      readonly natUpnp: boolean;
      readonly natPmp: boolean;
      readonly utp: boolean;
      /** Encryption: 0 never, 1 preferred (it calls with MSE alone, though), 2 always. */
      readonly secure: 0 | 1 | 2;
      /** False: asks no tracker. */
      readonly tracker?: boolean;
    });
    /** @param options.skipVerify what lies at the path is taken to be right */
    add(torrentFile: string, options: { readonly path: string; readonly skipVerify?: boolean }): Torrent;
    /** Where it listens, TCP. */
    readonly torrentPort: number;
    destroy(callback?: () => void): void;
  }
}
