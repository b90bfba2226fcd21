import { sign, verify } from 'node:crypto'
import { loadProfiles } from '../../server/ca/profiles.ts'
import { Signer, type SigningOrder } from '../../server/ca/signer.ts'
import { encodeSerial, minuteOf } from '../../src/core/serial.ts'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { parseCsr, verifyCsr } from '../../src/x509/csr.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { importPublicKey } from '../../src/x509/spki.ts'
import { testAuthority } from '../support/ca/test-ca.ts'

/** CPU of each step of issuance, µs, the best of several rounds: `node test/bench/signing-steps.ts`. What issuance costs above the sum is messages, journal and wire. */
const count = 500
const rounds = 10
const nowMs = Math.floor(Date.now() / 1_000) * 1_000
const authority = await testAuthority({ nowMs: () => nowMs })
const keys = Array.from({ length: count }, () => PrivateKey.generate())
const requests = keys.map((key) => buildCsr(key, { uris: ['spiffe://example.test/ns/default/sa/web'] }))
const data = new Uint8Array(400)
const signature = authority.key.sign(data)
const publicKey = importPublicKey(authority.key.spki)
const order: SigningOrder = { profile: 'x509-svid', spiffeId: parseSpiffeId('spiffe://example.test/ns/default/sa/web'), dnsNames: [], notBeforeMs: nowMs - 10_000, notAfterMs: nowMs + 900_000, keyForm: 'csr' }
const orders = keys.map(() => order)
const serials = keys.map((_, index) => encodeSerial({ shard: 1, minute: minuteOf(order.notAfterMs), index, random: new Uint8Array(8) }))
const signer = new Signer(loadProfiles())
signer.learn(authority.id, authority.certificate.raw, authority.key.keyObject)

/** Runs `work` once for each of `count` in every round; `work` itself may do all at once. */
function measure(name: string, work: () => void, prepare: () => void = () => undefined): void {
  let best = Infinity
  for (let round = 0; round < rounds; round++) {
    prepare()
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / count)
  }
  console.log(`${name.padEnd(44)} ${best.toFixed(1).padStart(7)} µs`)
}

const each = (work: (key: PrivateKey, request: Uint8Array) => void) => (): void => {
  for (const [at, key] of keys.entries()) work(key, requests[at] ?? data)
}

measure('node:crypto sign', each(() => void sign('sha256', data, authority.key.keyObject)))
measure('node:crypto verify, key imported', each(() => void verify('sha256', data, publicKey, signature)))
measure('import of a P-256 key', each((key) => void importPublicKey(key.spki)))
measure('parse a request', each((_, request) => void parseCsr(request)))
measure('parse a request and check its proof', each((_, request) => void verifyCsr(request)))
measure('prepare: parse, proof, template, lint', () => void signer.prepare(1, authority.id, nowMs, orders, requests))
measure('prepare without the proof', () => void signer.prepare(1, authority.id, nowMs, orders.map((one) => ({ ...one, keyForm: 'spki' })), keys.map(({ spki }) => spki)))
measure('sign: serial, signature, certificate', () => void signer.sign(1, serials), () => void signer.prepare(1, authority.id, nowMs, orders, requests))
measure('agent: generate a key', each(() => void PrivateKey.generate()))
measure('agent: build a request', each((key) => void buildCsr(key, { uris: ['spiffe://example.test/ns/default/sa/web'] })))
