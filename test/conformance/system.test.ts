import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import type { ResponseOutput } from '../../src/rpc/services.ts'
import { systemClock } from '../../src/system/clock.ts'
import { BundleSet, memberOf, revocationUnchecked, verifyX509Svid } from '../../src/verify/index.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { verifySignature } from '../../src/x509/signature.ts'
import { Product, type AgentProcess } from '../support/product/product.ts'

const metadata = { 'workload.spiffe.io': 'true' }
const td = parseTrustDomain('example.org')

/** What cannot be seen in one part alone: asked of a real server and a real agent, as a workload would. */
describe('a trust domain as its workloads see it', () => {
  let product: Product
  let agent: AgentProcess
  let channel: RpcChannel
  let fetched: ResponseOutput<'SpiffeWorkloadAPI', 'FetchX509SVID'>

  beforeAll(async () => {
    product = await Product.start()
    agent = await product.startAgent()
    const [parentId = ''] = await product.agentIds()
    await product.createEntries([{ spiffeId: 'spiffe://example.org/me', parentId, selectors: [`unix:uid:${process.getuid?.() ?? 0}`], prefetch: true }])
    channel = RpcChannel.connectUnix(agent.workloadSocket, { clock: systemClock })
    fetched = await firstSvids(channel)
  })

  afterAll(async () => {
    channel.close()
    await product[Symbol.asyncDispose]()
  })

  test('ID-17 the signing authority carries a SPIFFE ID of its own: that of the trust domain, without a path', () => {
    const authority = parseCertificate(new Uint8Array(fetched.svids[0]?.bundle ?? []))
    expect(authority.extensions.subjectAltName?.uris).toEqual(['spiffe://example.org'])
    expect(authority.extensions.basicConstraints?.ca).toBe(true)
  })

  test('ID-18 the SPIFFE ID and the public key are in the bytes that the authority signed', () => {
    const leaf = parseCertificate(new Uint8Array(fetched.svids[0]?.x509Svid ?? []))
    const authority = parseCertificate(new Uint8Array(fetched.svids[0]?.bundle ?? []))
    expect(verifySignature(authority.spki, leaf)).toBe(true)
    expect(Buffer.from(leaf.tbs).includes('spiffe://example.org/me')).toBe(true)
    expect(Buffer.from(leaf.tbs).includes(Buffer.from(leaf.spki))).toBe(true)
  })

  test('ID-19 nothing but an X.509-SVID is taken for one', () => {
    const { x509Authorities } = { x509Authorities: [new Uint8Array(fetched.svids[0]?.bundle ?? [])] }
    const options = { bundles: BundleSet.of({ trustDomain: td, x509Authorities }), allow: memberOf(td), revocation: revocationUnchecked, nowMs: Date.now() } as const
    const leaf = new Uint8Array(fetched.svids[0]?.x509Svid ?? [])
    expect(verifyX509Svid([leaf], options).kind).toBe('accepted')
    for (const other of [x509Authorities[0] ?? leaf, Buffer.from('eyJhbGciOiJFUzI1NiJ9.e30.AA'), Buffer.concat([leaf, leaf])]) {
      expect(['malformed', 'untrusted']).toContain(verifyX509Svid([new Uint8Array(other)], options).kind)
    }
  })

  test('TDB-01 each bundle is kept beside the name of its trust domain, and TDB-02 serves no other', () => {
    const leaf = new Uint8Array(fetched.svids[0]?.x509Svid ?? [])
    const bundles = BundleSet.of({ trustDomain: parseTrustDomain('other.org'), x509Authorities: [new Uint8Array(fetched.svids[0]?.bundle ?? [])] })
    expect(bundles.trustDomains).toEqual(['other.org'])
    expect(verifyX509Svid([leaf], { bundles, allow: memberOf(td), revocation: revocationUnchecked, nowMs: Date.now() })).toMatchObject({ kind: 'untrusted' })
  })

  test('EP-01 an endpoint serves the processes of its own host alone: it is a Unix socket, and there is no way to set another', () => {
    expect(agent.workloadSocket.startsWith('/')).toBe(true)
    const listeners = readFileSync(`/proc/${agent.program?.pid ?? 0}/net/tcp`, 'latin1').split('\n').filter((line) => / 0A /.test(line)).map((line) => line.trim().split(/\s+/)[9])
    expect(listeners.filter((inode) => inodesOf(agent.program?.pid ?? 0).has(inode ?? ''))).toEqual([])
  })

  test('EP-16 the endpoint exposes the Workload API: the calls of the X.509 profile answer on it', async () => {
    expect(fetched.svids.map((svid) => svid.spiffeId)).toEqual(['spiffe://example.org/me'])
    for await (const { bundles } of channel.serverStream('SpiffeWorkloadAPI', 'FetchX509Bundles', {}, { metadata })) {
      expect(Object.keys(bundles)).toEqual(['spiffe://example.org'])
      break
    }
  })

  test('WAPI-02 the service has the calls of the standard and no other', () => {
    const text = readFileSync(join(import.meta.dirname, '../../proto/workload.proto'), 'utf8')
    expect([...text.matchAll(/^\s*rpc (\w+)/gm)].map(([, name]) => name)).toEqual(['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTSVID', 'FetchJWTBundles', 'ValidateJWTSVID', 'FetchWITSVID', 'FetchWITBundles'])
  })

  test('WX-06 X.509 bundles go out by the X.509 calls alone: the JWT and WIT calls answer Unimplemented', async () => {
    await expect(channel.unary('SpiffeWorkloadAPI', 'ValidateJWTSVID', { audience: 'a', svid: 'b' }, { metadata })).rejects.toMatchObject({ status: 'UNIMPLEMENTED' })
    for (const call of ['FetchJWTBundles', 'FetchWITBundles'] as const) {
      await expect(channel.serverStream('SpiffeWorkloadAPI', call, {}, { metadata }).next()).rejects.toMatchObject({ status: 'UNIMPLEMENTED' })
    }
  })

  test('WX-10 the crl field is empty: nobody is told to check a list that is not kept', () => {
    expect(fetched.crl).toEqual([])
  })
})

/** The first message with an SVID; asked again while the entry is on its way. */
async function firstSvids(channel: RpcChannel): Promise<ResponseOutput<'SpiffeWorkloadAPI', 'FetchX509SVID'>> {
  const deadline = AbortSignal.timeout(60_000)
  for (;;) {
    try {
      for await (const message of channel.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}, { metadata, signal: deadline })) return message
    } catch (error) {
      if (deadline.aborted) throw error
      await systemClock.sleep(20, deadline)
    }
  }
}

/** Inodes of the sockets that a process holds open. */
function inodesOf(pid: number): ReadonlySet<string> {
  const targets = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return '' // closed since
    }
  })
  return new Set(targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []))
}
