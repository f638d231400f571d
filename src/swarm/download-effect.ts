import type { PieceProgress } from "./piece-progress.ts";
import type { BlockRequest } from "./wire/peer-wire.ts";

/** What the session must do. `peer` names connections by key. */
export type DownloadEffect =
  | { readonly kind: "request"; readonly peer: number; readonly request: BlockRequest }
  | { readonly kind: "cancel"; readonly peer: number; readonly request: BlockRequest }
  | { readonly kind: "interest"; readonly peer: number; readonly isInterested: boolean }
  | { readonly kind: "write"; readonly progress: PieceProgress; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: "check"; readonly piece: number }
  | { readonly kind: "offence"; readonly peerId: string; readonly piece: number };

/** A block as it came. */
export interface ArrivedBlock {
  readonly piece: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}
