import { describe, expect, test } from 'vitest'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { grantBench } from '../../support/server/grants.ts'
import { startServer } from '../../support/server/test-server.ts'

describe('a grant', () => {
  test('is requested, activated, and ends with its task', async () => {
    const server = await startServer()
    const bench = await grantBench(server)
    const requested = await bench.request()
    expect(requested).toMatchObject({ state: 'approved', role: 'deploy', owner: 'team-db', requester: `uid:1000 on ${bench.agent.id}` })
    expect(requested.spiffeId).toBe(`spiffe://example.org/deploy-bot/task/${requested.id}`)
    const { grant, chain, terms } = await bench.activate(requested.id)
    expect(grant).toMatchObject({ id: requested.id, state: 'active', tier: 'pidfd', binding: 'process' })
    const leaf = parseCertificate(chain[0] ?? new Uint8Array(0))
    expect(leaf.extensions.subjectAltName?.uris).toEqual([requested.spiffeId])
    expect(leaf.extensions.grant).toEqual({ id: requested.id, intentHash: requested.intentHash, policyHash: grant?.policyHash, deadlineMs: grant?.deadlineMs })
    expect(terms?.intents).toHaveLength(1)
    const ended = await bench.end(requested.id, 'completed', 'done')
    expect(ended).toMatchObject({ state: 'ending', cause: 'completed', outcome: 'done', serial: '' })
    const found = await server.admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { serial: grant?.serial ?? '' } })
    expect(found.credentials).toMatchObject([{ state: 'revoked', kind: 'grant' }])
  })
})
