import { describe, expect, test } from 'vitest'
import { parseAgentConfig } from '../../../agent/config.ts'
import type { AgentConfig } from '../../../agent/config.ts'
import { AgentState } from '../../../agent/sync/agent-state.ts'
import { agentSvidOf } from '../../../agent/sync/agent-svid.ts'
import { entranceOf } from '../../../agent/sync/joining.ts'
import type { Entrance } from '../../../agent/sync/joining.ts'
import { formatJoinLine } from '../../../src/core/join-line.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { MemoryFiles } from '../../support/agent/memory-files.ts'
import { KeptLog, SeededRandom } from '../../support/agent/quiet.ts'
import { TestIssuer } from '../../support/agent/test-issuer.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const trustDomain = parseTrustDomain('test.example')
const digest = 'ab'.repeat(32)
const line = formatJoinLine({ address: '127.0.0.1:8081', token: 'a-token-of-sixteen-or-more', trustDomain, bundleDigest: digest })

describe('how an agent comes in', () => {
  test('a join line pins the bundle', async () => {
    expect(await entrance({ join: line })).toMatchObject({ kind: 'join', place: { address: '127.0.0.1:8081', trustDomain }, bootstrap: { kind: 'pin', digest } })
  })

  test('an identity of an earlier life is used before the line, which may be spent', async () => {
    const host = new Host()
    await host.joined()
    expect((await host.entrance({ join: line })).kind).toBe('kept')
  })

  test('it starts again without its line: it knows its server', async () => {
    const host = new Host()
    await host.joined()
    expect(await host.entrance({})).toMatchObject({ kind: 'kept', place: { address: '127.0.0.1:8081', trustDomain } })
  })

  test('an identity that expired while it did not run needs a new line, and says so', async () => {
    const host = new Host()
    await host.joined()
    host.clock.jump(3_600_001)
    await expect(host.entrance({})).rejects.toMatchObject({ code: 'AGENT_EXPIRED' })
    expect((await host.entrance({ join: line })).kind).toBe('join')
  })

  test('an identity of another trust domain is not used', async () => {
    const host = new Host()
    await host.joined()
    const other = formatJoinLine({ address: '127.0.0.1:8081', token: 'a-token-of-sixteen-or-more', trustDomain: parseTrustDomain('other.example'), bundleDigest: digest })
    expect((await host.entrance({ join: other })).kind).toBe('join')
  })

  test('without anything it says how to join', async () => {
    await expect(entrance({})).rejects.toMatchObject({ code: 'AGENT_NOT_ATTESTED', hint: expect.stringContaining('mayfly token create') })
  })

  test('only the flag that says so makes it believe whoever answers', () => {
    expect(() => configOf({ joinToken: 'a-token-of-sixteen-or-more', server: '127.0.0.1:1', trustDomain: 'test.example' })).toThrow(/trustBundleFile/)
    expect(configOf({ joinToken: 'a-token-of-sixteen-or-more', server: '127.0.0.1:1', trustDomain: 'test.example', insecureBootstrap: true }).insecureBootstrap).toBe(true)
  })
})

class Host {
  readonly clock = new FakeClock()
  readonly state = new AgentState(new MemoryFiles(), 'disk')

  async joined(): Promise<void> {
    const issuer = new TestIssuer('test.example', this.clock.nowMs())
    const key = PrivateKey.generate()
    await this.state.saveSvid(agentSvidOf(key, [issuer.sign(buildCsr(key), 'spiffe://test.example/spire/agent/join_token/x', this.clock.nowMs(), 3_600_000)]))
    await this.state.saveBundle({ trustDomain, x509Authorities: [issuer.certificate], sequence: 1n, refreshHintSeconds: undefined })
    await this.state.saveServer({ address: '127.0.0.1:8081', trustDomain })
  }

  async entrance(flags: Readonly<Record<string, string | boolean>>): Promise<Entrance> {
    return await entranceOf(configOf(flags), { clock: this.clock, random: new SeededRandom(), log: new KeptLog(), state: this.state, readFile: async () => '' })
  }
}

async function entrance(flags: Readonly<Record<string, string | boolean>>): Promise<Entrance> {
  return await new Host().entrance(flags)
}

function configOf(flags: Readonly<Record<string, string | boolean>>): AgentConfig {
  return parseAgentConfig('', { dataDir: '/tmp/x', ...flags }, 'flags', 0)
}
