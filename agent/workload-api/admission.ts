import { MayflyError } from '../../src/core/errors.ts'

export interface AdmissionLimits {
  readonly connectionsPerUid: number
  readonly connectionsPerProcess: number
  readonly streamsPerUid: number
  readonly streamsPerProcess: number
}

/** Counts what each process and each user has open, so that none takes the socket from the others. */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #counts = new Map<string, number>()

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /** `undefined` when there is no room; else dispose it when the connection closes. */
  connection(uid: number, processKey: string): Disposable | undefined {
    return this.#take([
      [`connections of uid ${uid}`, this.#limits.connectionsPerUid],
      [`connections of process ${processKey}`, this.#limits.connectionsPerProcess],
    ])
  }

  /** Dispose it when the stream ends. @throws {MayflyError} UNAVAILABLE: load is shed (EP-12) */
  stream(uid: number, processKey: string): Disposable {
    const taken = this.#take([
      [`streams of uid ${uid}`, this.#limits.streamsPerUid],
      [`streams of process ${processKey}`, this.#limits.streamsPerProcess],
    ])
    if (taken === undefined) throw new MayflyError('UNAVAILABLE', 'this process or its user has too many streams open', { hint: 'keep one stream open and share what it brings' })
    return taken
  }

  #take(places: readonly (readonly [name: string, most: number])[]): Disposable | undefined {
    if (places.some(([name, most]) => (this.#counts.get(name) ?? 0) >= most)) return undefined
    for (const [name] of places) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
    let given = true
    return {
      [Symbol.dispose]: () => {
        if (!given) return
        given = false
        for (const [name] of places) {
          const left = (this.#counts.get(name) ?? 1) - 1
          if (left === 0) this.#counts.delete(name)
          else this.#counts.set(name, left)
        }
      },
    }
  }
}
