import type { Event as EventMessage } from '../../proto/generated/mayfly/v1/Event.ts'
import { isGrantRecord } from '../journal/grant-records.ts'
import type { JournalRecord } from '../journal/records.ts'
import type { JournalStore } from '../store/port.ts'
import { grantFieldsOf } from './grant-events.ts'
import { Wakeup } from './wakeup.ts'

const maxWaiting = 1_000
const maxNamed = 100

/** Every committed change from now on, as facts. A slow reader loses the oldest, and is told how many. */
export async function* eventsOf(journal: JournalStore, signal: AbortSignal): AsyncGenerator<EventMessage> {
  const waiting: EventMessage[] = []
  const wakeup = new Wakeup()
  let lost = 0
  using following = journal.onCommit(({ records }) => {
    for (const { record, seq } of records) waiting.push(eventOf(record, seq))
    while (waiting.length > maxWaiting) {
      waiting.shift()
      lost++
    }
    wakeup.wake()
  })
  void following // held until the reader has gone
  while (!signal.aborted) {
    await wakeup.wait(signal)
    if (lost > 0) yield { name: 'watch.lost', atMs: waiting[0]?.atMs ?? 0, fields: JSON.stringify({ events: lost }) }
    lost = 0
    for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) yield event
  }
}

function eventOf(record: JournalRecord, seq: number): EventMessage {
  return { name: record.kind, atMs: record.atMs, fields: JSON.stringify({ seq, ...fieldsOf(record) }) }
}

/** What a person wants to see of a record: who and what, at most {@link maxNamed} of each, nothing secret. */
function fieldsOf(record: JournalRecord): Readonly<Record<string, unknown>> {
  if (isGrantRecord(record)) return grantFieldsOf(record)
  switch (record.kind) {
    case 'entries.created':
    case 'entries.updated':
      return { by: record.by, count: record.entries.length, entries: record.entries.slice(0, maxNamed).map(({ id, spiffeId, parentId, owner }) => ({ id, spiffeId, parentId, owner })) }
    case 'entries.revised':
    case 'entries.deleted':
      return { by: record.by, count: record.ids.length, ids: record.ids.slice(0, maxNamed) }
    case 'token.created':
      return { by: record.by, agentId: record.agentId, expiresAtMs: record.expiresAtMs }
    case 'agent.attested':
      return { agentId: record.id, attestationType: record.attestationType, selectors: record.selectors }
    case 'agent.svid':
      return { agentId: record.id, serial: record.serial, notAfterMs: record.notAfterMs }
    case 'agent.version':
      return { agentId: record.id, version: record.version }
    case 'agent.banned':
    case 'agent.deleted':
      return { agentId: record.id, by: record.by }
    case 'credentials.reserved':
      return { count: record.credentials.length, credentials: record.credentials.slice(0, maxNamed).map(({ serial, kind, spiffeId, notAfterMs }) => ({ serial, kind, spiffeId, notAfterMs })) }
    case 'credentials.released':
      return { count: record.serials.length, serials: record.serials.slice(0, maxNamed) }
    case 'identities.ended':
      return { count: record.ids.length, ids: record.ids.slice(0, maxNamed), by: record.by }
    case 'credentials.ended':
      return { count: record.serials.length, serials: record.serials.slice(0, maxNamed), bit: record.bit, cause: record.cause, reason: record.reason, by: record.by }
    case 'prefix.closed':
      return { prefix: record.prefix, how: record.how, count: record.serials.length, serials: record.serials.slice(0, maxNamed), cause: record.cause, reason: record.reason, by: record.by }
    case 'key.denied':
      return { publicKeyHash: record.publicKeyHash, cause: record.cause, reason: record.reason, by: record.by }
    case 'credentials.pruned':
      return { beforeMs: record.beforeMs }
    case 'verifiers.registered':
      return { count: record.verifiers.length, verifiers: record.verifiers.slice(0, maxNamed).map(({ instance, spiffeId, class: wanted, software, agentId }) => ({ instance, spiffeId, class: wanted, software, agentId })) }
    case 'verifiers.removed':
      return { count: record.instances.length, instances: record.instances.slice(0, maxNamed) }
    case 'uses.reported':
      return { count: record.uses.length, uses: record.uses.slice(0, maxNamed) }
    case 'stream.pruned':
      return { throughSeq: record.throughSeq }
    case 'target.disabled':
    case 'target.enabled':
    case 'target.ending':
      return { target: record.target, reason: record.reason, by: record.by }
    case 'target.ended':
      return { target: record.target, by: record.by }
    case 'authority.prepared':
      return { authorityId: record.authority.id, notAfterMs: record.authority.notAfterMs, by: record.by }
    case 'authority.activated':
    case 'authority.tainted':
    case 'authority.revoked':
    case 'authority.removed':
      return { authorityId: record.id, by: record.by, ...(record.reason === undefined ? {} : { reason: record.reason }) }
    case 'bundle.set':
      return { trustDomain: record.bundle.trustDomain, authorities: record.bundle.x509Authorities.length, sequence: record.bundle.sequence, by: record.by }
    case 'bundle.deleted':
      return { trustDomain: record.trustDomain, by: record.by }
    case 'domain.rolled_back':
      return { epoch: record.seen.epoch, streamSeq: record.seen.seq, by: record.by }
    case 'domain.restored':
      return { epoch: record.epoch, shard: record.shard, authorityIds: record.endedAuthorityIds, reason: record.reason, by: record.by }
    case 'domain.created':
      return { trustDomain: record.trustDomain, epoch: record.epoch }
    default:
      return record satisfies never
  }
}
