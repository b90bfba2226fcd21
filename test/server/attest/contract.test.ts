import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { httpChallenge } from '../../../agent/node/http-challenge.ts'
import type { NodeAttestor as Answering } from '../../../agent/node/node-attestor.ts'
import { sshpop } from '../../../agent/node/sshpop.ts'
import { x509pop } from '../../../agent/node/x509pop.ts'
import { AgentPath, defaultAgentPath, sshpopNames, x509popNames } from '../../../server/attest/agent-path.ts'
import { HttpChallenge } from '../../../server/attest/http-challenge.ts'
import { ReachableAddresses } from '../../../server/attest/networks.ts'
import type { NodeAttestor as Asking } from '../../../server/attest/node-attestor.ts'
import { Sshpop } from '../../../server/attest/sshpop.ts'
import { X509pop } from '../../../server/attest/x509pop.ts'
import { answeringWithSecret, askingForSecret } from '../../../examples/attestor/node.ts'
import { codeOf } from '../../support/attest/code-of.ts'
import { parseAuthorizedKey } from '../../../src/ssh/public-key.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { talk, trustDomain } from '../../support/attest/conversation.ts'
import { sshAuthority, sshHost } from '../../support/attest/ssh-host.ts'
import { anchorOf, x509Node } from '../../support/attest/x509-node.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { authority, nowMs } from '../../support/verify/certificates.ts'

/** An attestor of the product with an honest node, and one of the same name without the secret. */
interface Case {
  readonly asking: Asking
  readonly honest: Answering
  /** Says what the honest one would say, with a key, or at a place, of its own. */
  readonly impostor: Answering
  readonly id: string
  readonly selectors: readonly string[]
  readonly again: 'often' | 'once'
  /** Its answer signs the nonce. */
  readonly signs: boolean
}

const folder = mkdtempSync(join(tmpdir(), 'mf-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const clock = new FakeClock(nowMs)
const readFile = async (path: string): Promise<string> => readFileSync(path, 'utf8')
const deps = { random: systemRandom, readFile }
const serverDeps = { clock, random: systemRandom, trustDomain }
const root = authority('root')
const middle = authority('middle', {}, root)

function sha1(der: Uint8Array): string {
  return createHash('sha1').update(der).digest('hex')
}

/** The certificate of one, the key of the other. */
function withKeyOf(config: ReturnType<typeof x509Node>, other: ReturnType<typeof x509Node>): Answering {
  const real = x509pop(config, deps)
  const false_ = x509pop(other, deps)
  return {
    ...real,
    async *attest(signal) {
      const [first, second] = [real.attest(signal), false_.attest(signal)]
      const payload = (await first.next(new Uint8Array(0))).value ?? new Uint8Array(0)
      await second.next(new Uint8Array(0))
      yield (await second.next(yield payload)).value ?? new Uint8Array(0)
    },
  }
}

function x509Case(kind: 'P-256' | 'P-384' | 'RSA'): Case {
  const node = x509Node(folder, `node-${kind}`, [middle, root], kind)
  const other = x509Node(folder, `other-${kind}`, [middle, root], kind)
  return {
    asking: new X509pop({ ...serverDeps, agentPath: AgentPath.parse(defaultAgentPath, x509popNames), anchors: async () => [anchorOf(root)] }),
    honest: x509pop(node, deps),
    impostor: withKeyOf(node, other),
    id: `spiffe://example.org/spire/agent/x509pop/${sha1(node.der)}`,
    selectors: [`x509pop:subject:cn:node-${kind}`, `x509pop:ca:fingerprint:${sha1(middle.der)}`, `x509pop:ca:fingerprint:${sha1(root.der)}`, 'x509pop:serialnumber:0a0b0c', 'x509pop:san:rack:7'],
    again: 'often',
    signs: true,
  }
}

function sshCase(name: string, ...type: readonly string[]): Case {
  const line = sshAuthority(folder, 'ca')
  const host = sshHost(folder, 'ca', name, type)
  const other = sshHost(folder, 'ca', `${name}-other`, type)
  const blob = Buffer.from(readFileSync(host.hostCertificate, 'utf8').split(' ')[1] ?? '', 'base64')
  const [real, false_] = [sshpop(host, deps), sshpop(other, deps)]
  return {
    asking: new Sshpop({ ...serverDeps, agentPath: AgentPath.parse(defaultAgentPath, sshpopNames), authorities: async () => [parseAuthorizedKey(line)], canonicalDomain: 'example.org', allowSha1: false }),
    honest: real,
    impostor: {
      ...real,
      async *attest(signal) {
        const [first, second] = [real.attest(signal), false_.attest(signal)]
        const payload = (await first.next(new Uint8Array(0))).value ?? new Uint8Array(0)
        await second.next(new Uint8Array(0))
        yield (await second.next(yield payload)).value ?? new Uint8Array(0)
      },
    },
    id: `spiffe://example.org/spire/agent/sshpop/${createHash('sha256').update(blob).digest('base64url')}`,
    selectors: [`sshpop:hostname:${name}.example.org`],
    again: 'often',
    signs: true,
  }
}

function httpCase(): Case {
  const config = { hostName: 'node7.example.org', agentName: 'default', listen: { host: '127.0.0.1', port: 0 }, advertisedPort: undefined }
  const honest = httpChallenge(config)
  return {
    asking: new HttpChallenge({
      ...serverDeps,
      allowedHosts: ['*.example.org'],
      allowedPorts: Array.from({ length: 65_535 }, (_, at) => at + 1),
      reachable: new ReachableAddresses([{ address: '127.0.0.0', prefix: 8 }]),
      firstUse: true,
      resolve: async () => ['127.0.0.1'],
    }),
    honest,
    // Another agent on the host: the name of the one is asked, and the other serves.
    impostor: {
      ...honest,
      async *attest(signal) {
        const proving = httpChallenge({ ...config, agentName: 'other' }).attest(signal)
        try {
          const payload = JSON.parse(new TextDecoder().decode((await proving.next(new Uint8Array(0))).value ?? new Uint8Array(0))) as object // its own
          yield (await proving.next(yield new TextEncoder().encode(JSON.stringify({ ...payload, agentname: 'default' })))).value ?? new Uint8Array(0)
        } finally {
          await proving.return()
        }
      },
    },
    id: 'spiffe://example.org/spire/agent/http_challenge/node7.example.org',
    selectors: ['http_challenge:hostname:node7.example.org'],
    again: 'once',
    signs: false,
  }
}

/** The one of docs/attestors.md. */
function exampleCase(): Case {
  const secret = new Uint8Array(32).fill(7)
  return {
    asking: askingForSecret({ ...serverDeps, secretOf: (machine) => (machine === 'node7' ? secret : undefined) }),
    honest: answeringWithSecret('node7', secret),
    impostor: answeringWithSecret('node7', new Uint8Array(32)),
    id: 'spiffe://example.org/spire/agent/machine_secret/node7',
    selectors: ['machine_secret:name:node7'],
    again: 'often',
    signs: true,
  }
}

const cases: readonly (readonly [string, () => Case])[] = [
  ['x509pop with P-256', () => x509Case('P-256')],
  ['x509pop with P-384', () => x509Case('P-384')],
  ['x509pop with RSA', () => x509Case('RSA')],
  ['sshpop with Ed25519', () => sshCase('ed', '-t', 'ed25519')],
  ['sshpop with ECDSA', () => sshCase('ec', '-t', 'ecdsa', '-b', '384')],
  ['sshpop with RSA', () => sshCase('rsa', '-t', 'rsa', '-b', '2048')],
  ['http_challenge', httpCase],
  ['the example of docs/attestors.md', exampleCase],
]

describe.each(cases)('%s', (_, make) => {
  const { asking, honest, impostor, id, selectors, again, signs } = make()

  test('what is proven is one ID, with the selectors of SPIRE', async () => {
    expect(asking.type).toBe(honest.type)
    const proven = await talk(asking, honest, clock)
    expect(proven).toEqual({ agentId: id, selectors: selectors.map((text) => ({ type: asking.type, value: text.slice(asking.type.length + 1) })), again })
    expect(await talk(asking, honest, clock)).toEqual(proven)
  })

  test('no other bytes in place of the payload are believed, and each is refused with a code', async () => {
    const texts = fc.oneof(fc.constantFrom('', '{', '{}', '[]', 'null', '"x"', '{"certificates":[]}', '{"certificates":["AA=="]}', '{"Certificate":"AA=="}', '{"hostname":"127.0.0.1","agentname":"a","port":80}'), fc.string(), fc.json())
    await fc.assert(
      fc.asyncProperty(fc.oneof(texts.map((text) => new TextEncoder().encode(text)), fc.uint8Array({ maxLength: 200 })), async (payload) => {
        expect(await codeOf(talk(asking, honest, clock, { payload: () => payload }))).toMatch(/^ATTESTATION_(INVALID|REFUSED)$/)
      }),
      { numRuns: 60 },
    )
  })

  test('a payload that was cut is refused', async () => {
    for (const part of [0, 0.1, 0.5, 0.9, 0.99]) expect(await codeOf(talk(asking, honest, clock, { payload: (whole) => whole.subarray(0, Math.floor(whole.length * part)) }))).toMatch(/^ATTESTATION_(INVALID|REFUSED)$/)
  })

  test('an answer that is empty or over 64 KiB is refused', async () => {
    for (const length of [0, 70_000]) expect(await codeOf(talk(asking, honest, clock, { answer: () => new Uint8Array(length) }))).toBe('ATTESTATION_INVALID')
  })

  test('who has not the secret is refused', async () => {
    expect(await codeOf(talk(asking, impostor, clock))).toBe('ATTESTATION_REFUSED')
  })

  test('a node that says nothing more is given up after thirty seconds', async () => {
    const waiting = codeOf(talk(asking, honest, clock, { answer: () => new Promise(() => undefined) }))
    for (let turn = 0; turn < 20 && clock.sleeping === 0; turn++) await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(29_000)
    await clock.advance(1_500)
    expect(await waiting).toBe('DEADLINE_EXCEEDED')
    clock.jump(-30_500)
  })

  test.runIf(signs)('an answer of an earlier attestation is refused', async () => {
    let earlier = new Uint8Array(0)
    await talk(asking, honest, clock, { answer: (honestly) => (earlier = Uint8Array.from(honestly)) })
    expect(await codeOf(talk(asking, honest, clock, { answer: () => earlier }))).toBe('ATTESTATION_REFUSED')
  })

  test.runIf(signs)('no flip of a bit in an answer is believed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(7), async (at, bit) => {
        let saysTheSame = false
        const flipped = (answer: Uint8Array): Uint8Array => {
          const copy = Uint8Array.from(answer)
          copy[at % copy.length] = (copy[at % copy.length] ?? 0) ^ (1 << bit)
          saysTheSame = meaningOf(answer) !== undefined && meaningOf(copy) === meaningOf(answer)
          return copy
        }
        expect(await codeOf(talk(asking, honest, clock, { answer: flipped }))).toMatch(saysTheSame ? /^(accepted|ATTESTATION_INVALID)$/ : /^ATTESTATION_(INVALID|REFUSED)$/)
      }),
      { numRuns: 40 },
    )
  })
})

/** A member that is null may be called what it likes. */
function meaningOf(answer: Uint8Array): string | undefined {
  try {
    return JSON.stringify(JSON.parse(new TextDecoder().decode(answer)), (_name, value: unknown) => (value === null ? undefined : value))
  } catch {
    return undefined
  }
}

test('files of authorities that are none stop the server at its start, and say which setting', async () => {
  writeFileSync(join(folder, 'empty'), '')
  const { chosenAttestors } = await import('../../../server/attest/chosen.ts')
  const readFileBounded = async (path: string): Promise<Uint8Array> => readFileSync(path)
  const resolve = async (): Promise<readonly string[]> => []
  const wrong = { caBundle: join(folder, 'empty'), agentPath: defaultAgentPath }
  await expect(chosenAttestors({ x509pop: wrong, httpChallenge: undefined, sshpop: undefined }, { ...serverDeps, readFileBounded, resolve })).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('nodeAttestors.x509pop.caBundle') })
})
