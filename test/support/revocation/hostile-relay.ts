import { sealFrame } from '../../../src/core/revocation/frame.ts'
import type { StreamHead } from '../../../src/core/revocation/follower.ts'
import type { Clock } from '../../../src/ports/clock.ts'
import type { StreamFrame } from '../../../src/verify/index.ts'
import type { StreamSource } from '../../../src/verify/source-link.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { publicKeyHash } from '../../../src/x509/fingerprint.ts'
import { decodeFrameBody, openFrame } from '../../../src/core/revocation/frame.ts'

/** What a relay may do with what passes through it; it holds no key of the stream. */
export const attacks = ['flips a byte', 'signs itself', 'sends garbage', 'claims a higher epoch', 'replays what it heard', 'withholds batches', 'withholds odd batches', 'withholds even batches', 'withholds heartbeats and batches', 'delays', 'reorders', 'answers the time with old frames', 'withholds the time', 'closes'] as const
export type Attack = (typeof attacks)[number]

const delayMs = 4_000

/** An honest relay's stream, until {@link attack} is set. */
export class HostileRelay implements StreamSource {
  readonly name: string
  attack: Attack | undefined
  readonly #honest: StreamSource
  readonly #clock: Clock
  readonly #key = PrivateKey.generate()
  readonly #heard: StreamFrame[] = []
  #oldTime: StreamFrame | undefined
  /** Connections so far. */
  opened = 0

  constructor(name: string, honest: StreamSource, clock: Clock) {
    this.name = name
    this.#honest = honest
    this.#clock = clock
  }

  async *open(position: StreamHead, signal: AbortSignal): AsyncGenerator<StreamFrame> {
    this.opened++
    let held: StreamFrame | undefined
    for await (const message of this.#honest.open(position, signal)) {
      if (this.attack === undefined) this.#heard.push(message)
      const kind = kindOf(message)
      switch (this.attack) {
        case undefined:
        case 'answers the time with old frames':
        case 'withholds the time':
          yield message
          break
        case 'flips a byte':
          yield { ...message, frame: message.frame.map((byte, at) => (at === 40 ? byte ^ 1 : byte)) }
          break
        case 'signs itself':
          yield this.#resealed(message, 0)
          break
        case 'claims a higher epoch':
          yield this.#resealed(message, 1)
          break
        case 'sends garbage':
          yield { frame: new Uint8Array(300).fill(7), signerChain: [] }
          break
        case 'replays what it heard':
          yield* this.#heard.slice(-20)
          break
        case 'withholds batches':
          if (kind !== 'batch' && !(kind === 'snapshot' && this.#heard.length > 0)) yield message
          else if (kind === 'snapshot') yield* this.#heard.filter((old) => kindOf(old) === 'snapshot')
          break
        case 'withholds odd batches':
        case 'withholds even batches':
          if (kind !== 'batch' || seqOf(message) % 2 === (this.attack === 'withholds odd batches' ? 0 : 1)) yield message
          break
        case 'withholds heartbeats and batches':
          break
        case 'delays':
          await this.#clock.sleep(delayMs, signal)
          yield message
          break
        case 'reorders':
          if (held === undefined && kind === 'batch') held = message
          else if (held !== undefined) {
            yield message
            yield held
            held = undefined
          } else if (kind !== 'snapshot') yield message
          break
        case 'closes':
          throw new Error('connection reset')
        default:
          this.attack satisfies never
      }
    }
  }

  async time(nonce: Uint8Array, signal: AbortSignal): Promise<StreamFrame> {
    if (this.attack === 'withholds the time') await this.#clock.sleep(3_600_000, signal)
    if (this.attack === 'answers the time with old frames' && this.#oldTime !== undefined) return this.#oldTime
    if (this.attack === 'closes') throw new Error('connection reset')
    if (this.#honest.time === undefined) throw new Error('tells no time')
    this.#oldTime = await this.#honest.time(nonce, signal)
    return this.#oldTime
  }

  /** The same words under its own signature. */
  #resealed(message: StreamFrame, epochs: number): StreamFrame {
    const opened = openFrame(message.frame)
    const frame = opened === undefined ? undefined : decodeFrameBody(opened.body)
    if (frame === undefined) return message
    return { ...message, frame: sealFrame({ ...frame, epoch: frame.epoch + epochs }, publicKeyHash(this.#key.spki), (bytes) => this.#key.sign(bytes).slice(0, 64)) }
  }
}

function kindOf({ frame }: StreamFrame): string | undefined {
  const opened = openFrame(frame)
  return opened === undefined ? undefined : decodeFrameBody(opened.body)?.kind
}

function seqOf({ frame }: StreamFrame): number {
  const opened = openFrame(frame)
  return opened === undefined ? 0 : (decodeFrameBody(opened.body)?.seq ?? 0)
}
