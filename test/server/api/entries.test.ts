import { expect, test } from 'vitest'
import type { RpcChannel } from '../../../src/rpc/channel.ts'
import type { Request, ResponseOutput } from '../../../src/rpc/services.ts'
import { startServer, wireEntry, wireId } from '../../support/server/test-server.ts'
import type { WireEntry } from '../../support/server/test-server.ts'

type Service = 'spire.api.server.entry.v1.Entry'
const service = 'spire.api.server.entry.v1.Entry' as const
const parent = 'spiffe://example.org/spire/agent/join_token/one'

async function create(admin: RpcChannel, ...entries: readonly WireEntry[]): Promise<ResponseOutput<Service, 'BatchCreateEntry'>['results']> {
  return (await admin.unary(service, 'BatchCreateEntry', { entries: [...entries] })).results
}

test('an entry is made, read, updated by mask, and deleted', async () => {
  const { admin } = await startServer()
  const [created] = await create(admin, wireEntry('/web', parent, { x509SvidTtl: 60, hint: 'front', dnsNames: ['web.example.org'] }))
  expect(created).toMatchObject({ status: { code: 0 }, entry: { spiffeId: { trustDomain: 'example.org', path: '/web' }, x509SvidTtl: 60, revisionNumber: 0 } })
  const id = created?.entry?.id ?? ''
  const { results } = await admin.unary(service, 'BatchUpdateEntry', { entries: [{ id, hint: 'back', x509SvidTtl: 5 }], inputMask: { hint: true } })
  expect(results[0]).toMatchObject({ status: { code: 0 }, entry: { hint: 'back', x509SvidTtl: 60, revisionNumber: 1, dnsNames: ['web.example.org'] } })
  expect(await admin.unary(service, 'GetEntry', { id, outputMask: { hint: true } })).toMatchObject({ id, hint: 'back', x509SvidTtl: 0, spiffeId: null, selectors: [] })
  expect((await admin.unary(service, 'BatchDeleteEntry', { ids: [id, id, ''] })).results.map(({ status }) => status?.code)).toEqual([0, 5, 3])
  await expect(admin.unary(service, 'GetEntry', { id })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('an entry like one that exists is answered with that one', async () => {
  const { admin } = await startServer()
  const [first] = await create(admin, wireEntry('/web', parent))
  const [again] = await create(admin, wireEntry('/web', parent, { hint: 'other' }))
  expect(again).toMatchObject({ status: { code: 6 }, entry: { id: first?.entry?.id, hint: '' } })
})

test('one bad item of a batch fails alone, in its place', async () => {
  const { admin } = await startServer()
  const results = await create(admin, wireEntry('/a', parent), wireEntry('/spire/x', parent), wireEntry('/b', parent, { selectors: [] }), wireEntry('/c', parent))
  expect(results.map(({ status }) => status?.code)).toEqual([0, 3, 3, 0])
  expect(results[1]?.status?.message).toBe('ENTRY_INVALID: spiffeId: is in /spire, the namespace of the issuer itself')
  expect(results[1]?.entry).toBeNull()
})

test('entries are listed by pages and filters', async () => {
  const { admin } = await startServer()
  const other = 'spiffe://example.org/spire/agent/join_token/two'
  const made = await create(
    admin,
    ...Array.from({ length: 5 }, (_, at) => wireEntry(`/w${at}`, parent)),
    wireEntry('/x', other, { selectors: [{ type: 'a', value: '1' }, { type: 'b', value: '2' }], hint: 'h', downstream: true }),
  )
  expect(made.every(({ status }) => status?.code === 0)).toBe(true)
  const list = async (request: Request<Service, 'ListEntries'>): Promise<readonly string[]> => (await admin.unary(service, 'ListEntries', request)).entries.map(({ spiffeId }) => spiffeId?.path ?? '')
  const paths: string[] = []
  let pageToken = ''
  do {
    const page = await admin.unary(service, 'ListEntries', { pageSize: 2, pageToken, filter: { byParentId: wireId(parent) } })
    paths.push(...page.entries.map(({ spiffeId }) => spiffeId?.path ?? ''))
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  expect(paths.toSorted()).toEqual(['/w0', '/w1', '/w2', '/w3', '/w4'])
  expect(await list({ filter: { bySpiffeId: wireId('spiffe://example.org/x') } })).toEqual(['/x'])
  expect(await list({ filter: { byHint: { value: 'h' } } })).toEqual(['/x'])
  expect(await list({ filter: { byDownstream: { value: true } } })).toEqual(['/x'])
  const bySelectors = (match: 'MATCH_EXACT' | 'MATCH_SUBSET' | 'MATCH_SUPERSET' | 'MATCH_ANY', ...values: readonly [string, string][]): Promise<readonly string[]> =>
    list({ filter: { bySelectors: { match, selectors: values.map(([type, value]) => ({ type, value })) } } })
  expect(await bySelectors('MATCH_EXACT', ['a', '1'])).toEqual([])
  expect(await bySelectors('MATCH_EXACT', ['b', '2'], ['a', '1'])).toEqual(['/x'])
  expect(await bySelectors('MATCH_SUBSET', ['a', '1'], ['b', '2'], ['c', '3'])).toEqual(['/x'])
  expect(await bySelectors('MATCH_SUPERSET', ['a', '1'])).toEqual(['/x'])
  expect(await bySelectors('MATCH_ANY', ['a', '1'], ['z', '9'])).toEqual(['/x'])
  await expect(bySelectors('MATCH_ANY')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect(await admin.unary(service, 'CountEntries', { filter: { byParentId: wireId(other) } })).toEqual({ count: 1 })
  await expect(list({ pageSize: -1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test('a batch may be as large as a file that SPIRE\'s command sends, a result for each, in their order', async () => {
  const { admin } = await startServer()
  const paths = Array.from({ length: 2_500 }, (_, at) => (at === 1_700 ? 'no path' : `/n${at}`))
  const { results } = await admin.unary(service, 'BatchCreateEntry', { entries: paths.map((path, at) => ({ ...wireEntry('/any', parent), spiffeId: { trustDomain: 'example.org', path }, id: `n${at}` })) })
  expect(results.map(({ status, entry }) => `${status?.code ?? ''} ${entry?.id ?? ''}`)).toEqual(paths.map((path, at) => (path === 'no path' ? '3 ' : `0 n${at}`)))
})

test('a batch has bounds, and a page of giants is cut to fit a message', async () => {
  const { admin } = await startServer()
  await expect(create(admin, ...Array.from({ length: 20_001 }, (_, at) => wireEntry(`/n${at}`, parent)))).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
  const giant = (at: number): WireEntry => wireEntry(`/g${at}`, parent, { selectors: Array.from({ length: 100 }, (_, n) => ({ type: 'x', value: `${n}${'v'.repeat(4_000)}` })) })
  for (let at = 0; at < 12; at++) expect((await create(admin, giant(at)))[0]?.status?.code).toBe(0)
  const page = await admin.unary(service, 'ListEntries', {})
  expect(page.entries.length).toBeGreaterThan(0)
  expect(page.nextPageToken).not.toBe('')
})

test("mayfly's registry keeps owner and options, and finds by owner", async () => {
  const { admin } = await startServer()
  const created = await admin.unary('mayfly.v1.Registry', 'CreateEntries', { entries: [{ entry: wireEntry('/web', parent), options: { owner: 'team-a', prefetch: true } }, { entry: null }] })
  expect(created.results.map(({ status }) => status?.code)).toEqual([0, 3])
  const id = created.results[0]?.entry?.entry?.id ?? ''
  const updated = await admin.unary('mayfly.v1.Registry', 'UpdateEntries', { entries: [{ entry: { id }, options: { keepOnExit: true } }], mask: {}, optionsMask: { keepOnExit: true } })
  expect(updated.results[0]).toMatchObject({ status: { code: 0 }, entry: { options: { owner: 'team-a', prefetch: true, keepOnExit: true }, disabled: false } })
  expect(await admin.unary('mayfly.v1.Registry', 'CountEntries', { filter: { owner: { value: 'team-a' } } })).toEqual({ count: 1 })
  await admin.unary('mayfly.v1.Revocations', 'Disable', { target: { entryId: id }, reason: 'test' })
  expect(await admin.unary('mayfly.v1.Registry', 'GetEntry', { id })).toMatchObject({ disabled: true })
  expect((await admin.unary('mayfly.v1.Registry', 'ListEntries', { filter: { disabled: { value: true } } })).entries).toHaveLength(1)
})

test('a SPIRE client that updates an entry leaves what it does not know', async () => {
  const { admin } = await startServer()
  const created = await admin.unary('mayfly.v1.Registry', 'CreateEntries', { entries: [{ entry: wireEntry('/web', parent), options: { owner: 'team-a', keepOnExit: true } }] })
  const id = created.results[0]?.entry?.entry?.id ?? ''
  await admin.unary(service, 'BatchUpdateEntry', { entries: [{ ...wireEntry('/web2', parent), id }] })
  expect(await admin.unary('mayfly.v1.Registry', 'GetEntry', { id })).toMatchObject({ entry: { spiffeId: { path: '/web2' } }, options: { owner: 'team-a', keepOnExit: true } })
})

test('a dry run says of each what creating it would say of its form, and makes none', async () => {
  const { admin } = await startServer()
  const entries = [wireEntry('/web', parent, { id: 'web' }), wireEntry('/a/task/1', parent), wireEntry('/b', parent, { x509SvidTtl: 86_400 })].map((entry) => ({ entry, options: { owner: 'team-a' } }))
  const { results } = await admin.unary('mayfly.v1.Registry', 'CreateEntries', { entries, dryRun: true })
  expect(results.map(({ status }) => [status?.code, status?.message.slice(0, 29)])).toEqual([
    [0, 'OK'],
    [3, 'ENTRY_INVALID: spiffeId: has '],
    [3, 'ENTRY_INVALID: x509SvidTtlSec'],
  ])
  expect(results[0]?.entry).toMatchObject({ entry: { id: 'web' }, options: { owner: 'team-a' } })
  expect(await admin.unary('mayfly.v1.Registry', 'CountEntries', {})).toEqual({ count: 0 })
})
