import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createPrivateKey } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { startRevocationFeed } from '../../src/client/revocation.ts'
import { connectTls } from '../../src/client/tls-client.ts'
import { createTlsServer } from '../../src/client/tls-server.ts'
import { X509Source } from '../../src/client/x509-source.ts'
import { minuteOf } from '../../src/core/serial.ts'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import { memberOf } from '../../src/verify/authorize.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'
import { testDeps, TestWorkloadApi, wireOf } from '../support/client/workload-api.ts'
import { SignedSimStream } from '../support/revocation/signed-sim-stream.ts'
import { authority, leaf, nowMs, trustDomain } from '../support/verify/certificates.ts'

test('a revocation on the socket of the Workload API cuts the open connection of its peer', async () => {
  const root = authority('root')
  const stream = new SignedSimStream(root)
  stream.append({ kind: 'authority_indexed', authorityId: root.id })
  const a = await serve('/a', 1)
  const b = await serve('/b', 2)

  await using feed = await startRevocationFeed(a.source)
  await feed.synced
  const terms = { allow: memberOf(trustDomain), revocation: feed, class: 'standard' } as const
  const server = createTlsServer(a.source, terms, {}, (socket) => void socket.write('hello'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  await using other = await startRevocationFeed(b.source)
  await other.synced
  const socket = await connectTls(b.source, { ...terms, revocation: other }, { host: '127.0.0.1', port })
  expect(String((await once(socket, 'data'))[0])).toBe('hello')
  const cut = once(socket.resume(), 'close')
  stream.append({ kind: 'revoked', shard: 1, minute: minuteOf(nowMs + 900_000), index: 2 })
  a.push(stream.batchOf(2))
  await cut
  // TLS 1.3 lets a client finish before the server has judged it: then it is closed without a word.
  const words: Buffer[] = []
  const again = await connectTls(b.source, { ...terms, revocation: other }, { host: '127.0.0.1', port }).catch(() => undefined)
  if (again !== undefined && !again.destroyed) await once(again.on('data', (bytes) => words.push(bytes)), 'close')
  expect(words).toEqual([])

  /** A Workload API of one identity with the revocation stream beside it. */
  async function serve(path: string, index: number): Promise<{ readonly source: X509Source; push(frame: StreamFrame): void }> {
    const id = parseSpiffeId(`spiffe://${trustDomain}${path}`)
    const issued = leaf(root, { uri: id, index })
    const pkcs8 = issued.key.toPkcs8()
    const svid = { certificateChain: [issued.der], pkcs8, privateKey: createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' }) }
    const api = await TestWorkloadApi.start({ svids: [wireOf(id, svid, root.der)] })
    const queue: StreamFrame[] = [...stream.snapshots()]
    let wake = (): void => undefined
    api.server.add('mayfly.v1.RevocationStream', {
      async *Watch({ position }, call) {
        expect(position?.seq).toBe(0)
        call.signal.addEventListener('abort', () => wake(), { once: true })
        while (!call.signal.aborted) {
          for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) yield { frame: frame.frame, signerChain: [...frame.signerChain] }
          await new Promise<void>((resolve) => (wake = resolve))
        }
      },
    })
    const source = await X509Source.start({ endpoint: api.endpoint }, { ...testDeps, clock: { ...testDeps.clock, nowMs: () => nowMs } })
    onTestFinished(() => source[Symbol.asyncDispose]())
    return {
      source,
      push(frame) {
        queue.push(frame)
        wake()
      },
    }
  }
})
