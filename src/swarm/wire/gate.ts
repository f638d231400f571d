import { SwarmError } from "../errors.ts";
import { parseDontHave } from "./dont-have-message.ts";
import {
  DONT_HAVE_EXTENSION,
  METADATA_EXTENSION,
  parseExtendedHandshake,
  PRSYNC_EXTENSION,
  type ExtendedHandshake,
} from "./extended-handshake.ts";
import { FrameAssembler } from "./frame-assembler.ts";
import {
  longestBody,
  MAX_EXTENDED_BYTES,
  MAX_EXTENDED_HANDSHAKE_BYTES,
  MESSAGE,
  refusal,
  refuseBody,
  refuseLength,
  type PieceGeometry,
  type WireRefusal,
} from "./frame-rules.ts";
import { parseMetadataMessage } from "./metadata-message.ts";
import { parsePassMessage } from "./pass-message.ts";
import { TrafficRules, type Verdict } from "./traffic-rules.ts";

export interface GateOptions {
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** Takes one whole legal frame, length prefix included; the handshake first. May change the gate's stage. */
  readonly deliver: (frame: Uint8Array) => void;
}

/** What the handshakes fixed. */
export interface GateBundle {
  readonly geometry: PieceGeometry;
  /** Both sides speak BEP 6. */
  readonly isFast: boolean;
  /** Keeps other frames until the peer's kind is known, instead of refusing them (stock clients are allowed). */
  readonly holdsEarlyFrames: boolean;
}

const EXTENDED_HANDSHAKES = 8;
/** Beside a bitfield: what a stock client may say before its extended handshake. */
const HELD_BYTES = 4096;

const PROTOCOL: Uint8Array = Buffer.from("\x13BitTorrent protocol", "latin1");

/**
 * Stands between a peer's bytes and the wire library: only whole frames of the exact length and legal range of their
 * type pass, so that no byte a peer can send reaches a weakness of the library, and nothing is buffered that has not
 * been judged by its length. After a refusal nothing passes any more.
 *
 * Stages: `handshake` → `extended` (only BEP 10's handshake) → `pass` (only the prsync message) → `open`.
 */
export class FrameGate {
  /** Whether this side chokes the peer: its requests are then useless. */
  isChoking = true;
  readonly #options: GateOptions;
  readonly #assembler: FrameAssembler;
  readonly #traffic: TrafficRules;
  #stage: "handshake" | "extended" | "pass" | "open" | "closed" = "handshake";
  #bundle: GateBundle | undefined;
  #refusal: WireRefusal | undefined;
  #isPaused = false;
  /** Whole frames that came before it was clear whether they may. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #replay: Uint8Array[] = [];
  #extendedHandshake: ExtendedHandshake | undefined;
  #extendedHandshakes = 0;
  #passes = 0;
  #isVolunteer = false;
  #frames = 0;
  #frameStartedMs: number | undefined;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#traffic = new TrafficRules(options.nowMs);
    this.#assembler = new FrameAssembler((length, id) => this.#refuseLength(length, id));
  }

  /** The peer's newest BEP 10 handshake. */
  get extendedHandshake(): ExtendedHandshake | undefined {
    return this.#extendedHandshake;
  }

  /** Whole frames so far, dropped ones too. */
  get frameCount(): number {
    return this.#frames;
  }

  /** When the first byte of a still incomplete frame came. */
  get frameStartedMs(): number | undefined {
    return this.#frameStartedMs;
  }

  /** Bytes that wait while paused or for the peer's kind. */
  get waitingBytes(): number {
    return this.#assembler.waitingBytes + this.#heldBytes;
  }

  /** Takes what the socket gave; the chunk is the caller's again afterwards. The refusal, once there is one, is final. */
  receive(chunk: Uint8Array): WireRefusal | undefined {
    if (this.#stage === "closed") return this.#refusal;
    this.#assembler.push(chunk);
    try {
      return this.#pump();
    } finally {
      this.#assembler.detach();
    }
  }

  /** Lets nothing through until {@link resume}; the caller stops reading meanwhile. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Not to be called from within `deliver`. */
  resume(): WireRefusal | undefined {
    this.#isPaused = false;
    return this.#stage === "closed" ? this.#refusal : this.#pump();
  }

  /** After the handshake: the bundle is known. To be called from within `deliver`. */
  expectExtended(bundle: GateBundle): void {
    this.#bundle = bundle;
    this.#stage = "extended";
  }

  /** The peer is a volunteer: nothing but its pass may come. */
  expectPass(): void {
    this.#stage = "pass";
    this.#isVolunteer = true;
    if (this.#held.length > 0) this.#refuse(refusal("early-frame", "frames before the pass"));
  }

  /** The peer is admitted: everything legal may come, what was held back first. */
  open(): void {
    this.#stage = "open";
    this.#replay = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
  }

  /** Nothing passes any more. */
  close(): void {
    this.#stage = "closed";
  }

  #refuse(refused: WireRefusal): WireRefusal {
    this.#refusal ??= refused;
    this.#stage = "closed";
    return this.#refusal;
  }

  #pump(): WireRefusal | undefined {
    while (!this.#isPaused && this.#stage !== "closed") {
      const frame = this.#replay.shift() ?? this.#assembler.take();
      if (frame === undefined) return this.#atEndOfInput();
      if (!(frame instanceof Uint8Array)) return this.#refuse(frame);
      this.#frames++;
      this.#frameStartedMs = undefined;
      const verdict = this.#judge(frame);
      if (verdict === "deliver") this.#deliver(frame);
      else if (verdict !== "drop") return this.#refuse(verdict);
    }
    return this.#refusal;
  }

  #deliver(frame: Uint8Array): void {
    const wasHandshake = this.#stage === "handshake";
    this.#options.deliver(frame);
    // Nobody wanted the bundle: the connection is being closed.
    if (wasHandshake && this.#stage === "handshake") this.#stage = "closed";
  }

  #atEndOfInput(): WireRefusal | undefined {
    if (this.#assembler.isMidFrame) this.#frameStartedMs ??= this.#options.nowMs();
    if (this.#stage !== "handshake" || startsAsProtocol(this.#assembler.partialBytes)) return undefined;
    return this.#refuse(refusal("not-bittorrent", "expected a BitTorrent handshake"));
  }

  #refuseLength(length: number, id: number | undefined): WireRefusal | undefined {
    const { geometry, holdsEarlyFrames } = this.#bundle!;
    if (id === undefined) {
      const most = longestBody(geometry);
      return length <= most ? undefined : refusal("frame-length", `expected at most ${most} bytes, got ${length}`);
    }
    const isEarly = this.#stage !== "open" && id !== MESSAGE.extended;
    if (isEarly && !holdsEarlyFrames) return refusal("early-frame", `message ${id} before admission`);
    const isFirst = this.#stage === "extended";
    const maxExtendedBytes = isFirst ? MAX_EXTENDED_HANDSHAKE_BYTES : MAX_EXTENDED_BYTES;
    return refuseLength(id, length, { geometry, maxExtendedBytes });
  }

  #judge(frame: Uint8Array): Verdict {
    if (this.#stage === "handshake") {
      return startsAsProtocol(frame) ? "deliver" : refusal("not-bittorrent", "expected a BitTorrent handshake");
    }
    const id = frame.length === 4 ? undefined : frame[4];
    if (id === MESSAGE.extended) return this.#judgeExtended(frame);
    if (this.#stage !== "open") return this.#hold(frame);
    const { geometry, isFast } = this.#bundle!;
    const context = { geometry, isFast, isChoking: this.isChoking, mayRepeatHeld: !this.#isVolunteer };
    return refuseBody(frame, geometry) ?? this.#traffic.judge(id, context);
  }

  #judgeExtended(frame: Uint8Array): Verdict {
    try {
      const payload = frame.subarray(6);
      if (frame[5] === 0) return this.#judgeExtendedHandshake(payload);
      if (this.#stage === "pass") return this.#judgePass(frame[5]!, payload);
      if (this.#stage !== "open") return refusal("early-frame", `extension ${frame[5]} before the extended handshake`);
      if (frame[5] === DONT_HAVE_EXTENSION) return this.#judgeDontHave(payload);
      const isKnown = frame[5] === METADATA_EXTENSION && parseMetadataMessage(payload) !== undefined;
      return this.#traffic.judgeExtended(isKnown);
    } catch (error) {
      if (error instanceof SwarmError) return refusal("bad-extended", error.message);
      throw error;
    }
  }

  #judgeExtendedHandshake(payload: Uint8Array): Verdict {
    if (this.#stage === "pass") return refusal("early-frame", "a second extended handshake before the pass");
    if (++this.#extendedHandshakes > EXTENDED_HANDSHAKES) return refusal("flood", "too many extended handshakes");
    this.#extendedHandshake = parseExtendedHandshake(new Uint8Array(payload)); // of which it keeps parts
    return "deliver";
  }

  #judgeDontHave(payload: Uint8Array): Verdict {
    const { geometry } = this.#bundle!;
    if (parseDontHave(payload, geometry.pieceCount) !== undefined) return this.#traffic.judgeDontHave(geometry);
    return refusal("bad-extended", "lt_donthave without a piece");
  }

  #judgePass(id: number, payload: Uint8Array): Verdict {
    if (id !== PRSYNC_EXTENSION || ++this.#passes > 1)
      return refusal("early-frame", `extension ${id} before admission`);
    parsePassMessage(payload);
    return "deliver";
  }

  #hold(frame: Uint8Array): Verdict {
    const { geometry, holdsEarlyFrames } = this.#bundle!;
    if (!holdsEarlyFrames || this.#stage === "pass") return refusal("early-frame", "frames before admission");
    this.#heldBytes += frame.length;
    const most = Math.ceil(geometry.pieceCount / 8) + HELD_BYTES;
    if (this.#heldBytes > most) return refusal("early-frame", `more than ${most} bytes before the extended handshake`);
    this.#held.push(new Uint8Array(frame));
    return "drop";
  }
}

/** Whether bytes from the beginning of a connection, perhaps few, can be those of a BEP 3 handshake. */
export function startsAsProtocol(bytes: Uint8Array): boolean {
  const length = Math.min(bytes.length, PROTOCOL.length);
  for (let i = 0; i < length; i++) if (bytes[i] !== PROTOCOL[i]) return false;
  return true;
}
