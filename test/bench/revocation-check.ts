import { encodeSerial } from '../../src/core/serial.ts'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import { RevocationSet } from '../../src/core/revocation/set.ts'
import type { ChainFacts } from '../../src/core/revocation/check.ts'
import type { Report } from './figure.ts'
import { elapsedMs } from './machine.ts'

const bits = 1_000_000
const minutes = 15
const checks = 2_000_000
const authorityId = 'ab'.repeat(32)
const prefixes = 1_000
const id = parseSpiffeId('spiffe://example.org/payments/api')

/** Of a tree that is not closed. */
const grant = parseSpiffeId(`${id}/task/open/sub/child`)

/** One check against a set with a million bits and a thousand closed prefixes, of grants and of others: warm (few serials, in the processor's caches) and cold (spread over all of it). */
export async function bench(): Promise<Report> {
  const set = new RevocationSet()
  set.apply({ kind: 'authority_indexed', authorityId })
  const firstMinute = 29_000_000
  for (let at = 0; at < bits; at++) {
    set.apply({ kind: at % 2 === 0 ? 'revoked' : 'superseded', shard: 1, minute: firstMinute + (at % minutes), index: Math.floor(at / minutes) * 3 })
  }
  for (let at = 0; at < prefixes; at++) set.apply({ kind: 'prefix_closed', prefix: parseSpiffeId(`${id}/task/${at}`), minute: firstMinute + minutes })
  const spread = Array.from({ length: 200_003 }, (_, at) => facts(firstMinute + ((at * 7) % minutes), (at * 7_919) % ((bits / minutes) * 3)))
  const warm = spread.slice(0, 16)
  const limit = nanosAnOperation(new Map(spread.map((one, at) => [at, one])), (map, at) => map.get(at % 200_003) !== undefined)
  const warmNs = nanosAnOperation(set, (held, at) => held.check(warm[at % warm.length] ?? never()).kind !== 'malformed')
  const coldNs = nanosAnOperation(set, (held, at) => held.check(spread[(at * 104_729) % spread.length] ?? never()).kind !== 'malformed')
  const figures = set.figures()
  const of = { value: limit, unit: 'ns', of: 'one Map.get of bare Node' }
  return {
    name: 'revocation-check',
    figures: [
      { id: 'revocation_check.ns', value: warmNs, unit: 'ns', goal: '<= 1000', limit: of, note: `${bits} bits set in ${figures.buckets} buckets, ${figures.prefixes} prefixes` },
      { id: 'revocation_check.cold_ns', value: coldNs, unit: 'ns', goal: '<= 10000', limit: of },
      { id: 'revocation_set.bytes', value: figures.bitmapBytes, unit: 'B', note: 'bitmaps held for a million bits set among three million issued' },
    ],
  }
}

function facts(minute: number, index: number): ChainFacts {
  return { id: index % 2 === 0 ? id : grant, serial: encodeSerial({ shard: 1, minute, index: Math.floor(index), random: new Uint8Array(8) }), notAfterMs: minute * 60_000, authorityId, aboveIds: [] }
}

function nanosAnOperation<T>(subject: T, operation: (subject: T, at: number) => boolean): number {
  let seen = 0
  for (let at = 0; at < checks / 10; at++) if (operation(subject, at)) seen++
  const start = elapsedMs()
  for (let at = 0; at < checks; at++) if (operation(subject, at)) seen++
  const nanos = ((elapsedMs() - start) * 1e6) / checks
  if (seen === 0) throw new Error('the benchmark measured nothing')
  return nanos
}

function never(): never {
  throw new Error('an index was out of range')
}
