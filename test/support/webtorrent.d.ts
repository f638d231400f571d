/** The part of webtorrent 3.0.21 that the interop tests use; the package comes without types. */
declare module "webtorrent" {
  import type { EventEmitter } from "node:events";

  export interface Torrent extends EventEmitter {
    readonly done: boolean;
    /** Payload bytes received. */
    readonly downloaded: number;
  }

  // eslint-disable-next-line no-restricted-exports -- so the package does
  export default class WebTorrent extends EventEmitter {
    constructor(options: {
      readonly dht: boolean;
      readonly lsd: boolean;
      readonly natUpnp: boolean;
      readonly natPmp: boolean;
      readonly utp: boolean;
      /** Encryption: 0 never, 1 preferred (it calls with MSE alone, though), 2 always. */
      readonly secure: 0 | 1 | 2;
    });
    add(torrentFile: string, options: { readonly path: string }): Torrent;
    destroy(callback: () => void): void;
  }
}
