import { MayflyError } from '../../../src/core/errors.ts'
import { encodeSerial, minuteOf } from '../../../src/core/serial.ts'
import { toHex } from '../../../src/core/bytes.ts'
import type { CredentialRequest, CredentialStore, ReserveResult } from '../../../server/store/port.ts'

/** The part of a `CredentialStore` that the pipeline uses, in memory: dense indices, one entry a key, and it can be told to fail. */
export class MemoryCredentials implements Pick<CredentialStore, 'reserve' | 'release'> {
  readonly rows: { readonly request: CredentialRequest; readonly serial: string }[] = []
  readonly released: string[] = []
  failing: boolean = false
  readonly #indices = new Map<number, number>()
  readonly #keyOwners = new Map<string, string>()

  async reserve(requests: readonly CredentialRequest[]): Promise<readonly ReserveResult[]> {
    if (this.failing) throw new MayflyError('STORE_UNWRITABLE', 'told to fail')
    return requests.map((request) => {
      const owner = request.entryId ?? request.spiffeId
      if ((this.#keyOwners.get(request.publicKeyHash) ?? owner) !== owner) return { ok: false, code: 'KEY_DENIED', message: 'the key belongs to another entry' }
      this.#keyOwners.set(request.publicKeyHash, owner)
      const minute = minuteOf(request.notAfterMs)
      const index = this.#indices.get(minute) ?? 0
      this.#indices.set(minute, index + 1)
      const serial = encodeSerial({ shard: 1, minute, index, random: request.random })
      this.rows.push({ request, serial: toHex(serial) })
      return { ok: true, serial }
    })
  }

  async release(serials: readonly Uint8Array[]): Promise<void> {
    if (this.failing) throw new MayflyError('STORE_UNWRITABLE', 'told to fail')
    this.released.push(...serials.map(toHex))
  }
}
