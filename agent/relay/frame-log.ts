/** A frame as it came, with its place in the stream. */
export interface LoggedFrame {
  readonly bytes: Uint8Array
  /** Hexadecimal. */
  readonly keyId: string
  readonly epoch: number
  readonly firstSeq: number
  readonly lastSeq: number
}

/** So many times what should be kept is the most that is. */
const patience = 4

/** The newest snapshot in its parts, and every frame since. Indexes rise for ever; one that is no longer kept leads to the start. */
export class FrameLog {
  readonly #maxFrames: number
  #frames: LoggedFrame[] = []
  #parts = 0
  #base = 0

  constructor(maxFrames: number) {
    this.#maxFrames = maxFrames
  }

  /** Where a reader starts that knows nothing. */
  get start(): number {
    return this.#base
  }

  /** Where the next frame will be. */
  get end(): number {
    return this.#base + this.#frames.length
  }

  get isEmpty(): boolean {
    return this.#frames.length === 0
  }

  /** More than should be kept without a newer snapshot; says so once in a while, not at each frame. */
  get isOverfull(): boolean {
    const since = this.#frames.length - this.#parts
    return since > this.#maxFrames && since % this.#maxFrames === 1
  }

  /** The frame at an index, or the first one kept for an index that is gone; `undefined` at the end. */
  at(index: number): { readonly index: number; readonly frame: LoggedFrame } | undefined {
    const kept = Math.max(index, this.#base)
    const frame = this.#frames[kept - this.#base]
    return frame === undefined ? undefined : { index: kept, frame }
  }

  /** Index of the frame that brings the event after `seq`; `undefined` when it is not among those kept since the snapshot. */
  after(epoch: number, seq: number): number | undefined {
    if (seq === 0) return undefined
    for (let at = this.#parts; at < this.#frames.length; at++) {
      const frame = this.#frames[at]
      if (frame !== undefined && frame.epoch === epoch && frame.firstSeq <= seq + 1 && frame.lastSeq >= seq + 1) return this.#base + at
    }
    return undefined
  }

  /** A source that goes on without ever giving a snapshot costs no memory: everything is let go, and whoever reads here has nothing until there is one, and reads elsewhere. */
  append(frame: LoggedFrame): void {
    if (this.#parts === 0) return
    if (this.#frames.length - this.#parts < this.#maxFrames * patience) {
      this.#frames.push(frame)
      return
    }
    this.#base = this.end
    this.#frames = []
    this.#parts = 0
  }

  /** Key that signed the snapshot, hexadecimal. A key's certificate ends: a snapshot must not outlive it, or no newcomer could verify it. */
  get snapshotKeyId(): string | undefined {
    return this.#parts > 0 ? this.#frames[0]?.keyId : undefined
  }

  /** A whole snapshot takes the place of all up to its `seq`; later frames stay. False when an equal or newer one by the same key is kept already. */
  rebase(parts: readonly LoggedFrame[], seq: number, epoch: number): boolean {
    const [old] = this.#frames
    if (this.#parts > 0 && old !== undefined && old.epoch === epoch && (old.lastSeq > seq || (old.lastSeq === seq && old.keyId === parts[0]?.keyId))) return false
    const later = this.#frames.slice(this.#parts).filter((frame) => frame.epoch === epoch && frame.lastSeq > seq)
    this.#base = this.end
    this.#frames = [...parts, ...later]
    this.#parts = parts.length
    return true
  }
}
