import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { StreamHistory } from '../../../server/revocation/history.ts'
import type { Store } from '../../../server/store/port.ts'
import { decodeSerial, minuteOf } from '../../../src/core/serial.ts'
import { openAt, temporaryFolder } from '../../support/store/open.ts'
import { actorAt, attest, agentId, authority, by, issue, nowMs, request, sha256, spec } from '../../support/store/samples.ts'

/** What was issued, and whether it was acknowledged as revoked. */
interface Issued {
  readonly serial: string
  readonly authorityId: string
  revoked: boolean
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('issue' as const), entry: fc.nat({ max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('revoke' as const), at: fc.nat() }) },
  fc.record({ do: fc.constant('rotate' as const) }),
)
const steps = fc.array(step, { minLength: 3, maxLength: 15, size: 'max' })

/** What a verifier says that has the whole stream of this store. */
async function verdictOf(store: Store, { serial, authorityId }: Issued): Promise<string> {
  const history = new StreamHistory(store.domain.epoch, await store.stream.load(0), 0)
  return history.set.check({ id: spec(1).spiffeId, serial: Buffer.from(serial, 'hex'), notAfterMs: request(1).notAfterMs, authorityId, aboveIds: [] }).kind
}

test('whatever was issued before a restore is accepted after it no more, whether the backup knows of it and of its end or not; what comes after is judged as ever', async () => {
  await fc.assert(
    fc.asyncProperty(steps, steps, steps, fc.boolean(), async (before, lost, after, again) => {
      await using folder = await temporaryFolder()
      const issued: Issued[] = []
      let active = ''
      let made = 0
      const rotate = async (store: Store): Promise<void> => {
        const name = `authority ${made++}`
        await store.authorities.prepare(authority(name), by)
        await store.authorities.activate((active = sha256(name)), by)
      }
      const play = async (store: Store, all: typeof before): Promise<void> => {
        for (const next of all) {
          if (next.do === 'rotate') await rotate(store)
          else if (next.do === 'issue') for (const serial of await issue(store, request(next.entry, { key: `key ${made++}`, authorityId: active }))) issued.push({ serial, authorityId: active, revoked: false })
          else {
            const one = issued[next.at % Math.max(1, issued.length)]
            if (one === undefined || one.revoked || (await store.credentials.bySerial(one.serial)) === undefined) continue
            await store.targets.revoke({ kind: 'serial', serial: one.serial }, { rotate: false, dryRun: false, expect: 1, reason: '' }, by)
            one.revoked = true
          }
        }
      }
      const paths = [join(folder.path, 'mayfly.db'), join(folder.path, 'backup.db'), join(folder.path, 'again.db')] as const
      const shards = new Set<number>()
      {
        await using store = await openAt(paths[0])
        await rotate(store)
        await attest(store, agentId)
        await store.entries.create([0, 1, 2, 3].map((n) => spec(n)), by)
        await play(store, before)
        await store.recovery.copyTo(paths[1])
        if (again) await store.recovery.copyTo(paths[2])
        await play(store, lost)
        shards.add(store.domain.shard)
      }
      // The backup is restored, and perhaps once more when that server was lost too.
      for (const [round, path] of again ? [[1, paths[1]], [2, paths[2]]] as const : [[1, paths[1]]] as const) {
        const old = issued.splice(0)
        const name = `restored ${round}`
        active = sha256(name)
        {
          await using store = await openAt(path)
          await store.recovery.restore({ authority: authority(name), leavesEndByMs: nowMs + 3_600_000, agentsReturn: true, reason: '' }, actorAt(nowMs + round * 1_000))
        }
        await using store = await openAt(path)
        expect(shards.has(store.domain.shard)).toBe(false)
        shards.add(store.domain.shard)
        await play(store, after)
        for (const one of old) expect(await verdictOf(store, one)).toMatch(/^(authority_revoked|unindexed)$/)
        for (const one of issued) {
          expect(decodeSerial(Buffer.from(one.serial, 'hex'))).toMatchObject({ shard: store.domain.shard, minute: minuteOf(request(1).notAfterMs) })
          expect(await verdictOf(store, one)).toBe(one.revoked ? 'revoked' : 'good')
        }
        await store.journal.verify()
      }
    }),
    { numRuns: 8, interruptAfterTimeLimit: 90_000, markInterruptAsFailure: true },
  )
})
