import { execFileSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect } from 'vitest'
import { factsIn } from '../../agent/attest/docker-api.ts'
import { parseNetwork, ReachableAddresses } from '../../server/attest/networks.ts'
import { parseHttpChallenge, parseHttpChallengePayload } from '../../src/attest/http-challenge.ts'
import { parseSshpopAnswer, parseSshpopChallenge, parseSshpopPayload } from '../../src/attest/sshpop.ts'
import { parseX509popAnswer, parseX509popChallenge, parseX509popPayload } from '../../src/attest/x509pop.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { containerOf } from '../../src/core/proc/container.ts'
import { systemdUnitOf } from '../../src/core/proc/unit.ts'
import { parseSshCertificate, readCertificateLine } from '../../src/ssh/certificate.ts'
import { parseSshPrivateKey } from '../../src/ssh/private-key.ts'
import { SshFormatError, sshString } from '../../src/ssh/reader.ts'
import { sshAuthority, sshHost } from '../support/attest/ssh-host.ts'
import { byteEdits, editBytes } from '../support/fuzz/der.ts'
import { fuzz, hexForm, textForm } from '../support/fuzz/fuzz.ts'
import { textEdits } from '../support/fuzz/text.ts'

const folder = mkdtempSync(join(tmpdir(), 'mf-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const nonce = Buffer.alloc(32, 7).toString('base64')
const messages = [
  `{"certificates":["${Buffer.alloc(40, 1).toString('base64')}"]}`,
  `{"rsa_signature":{"nonce":"${nonce}"},"ecdsa_signature":null}`,
  `{"rsa_signature":null,"ecdsa_signature":{"nonce":"${nonce}","r":"AQ==","s":"Ag=="}}`,
  `{"Certificate":"${Buffer.alloc(40, 1).toString('base64')}"}`,
  `{"Nonce":"${nonce}","Signature":{"Format":"ssh-ed25519","Blob":"${Buffer.alloc(64, 1).toString('base64')}","Rest":null}}`,
  '{"hostname":"node7.example.org","agentname":"default","port":80}',
  `{"nonce":"${nonce.replaceAll('+', '-').replaceAll('/', '_')}"}`,
]
const marks = ['"', '{', '}', '[', ']', ':', ',', 'null', '0', '-1', '1e999', '\\u0000', '@', '/', '=', 'nonce', 'certificates', '127.0.0.1', '\u{10ffff}']
const parsers: readonly ((bytes: Uint8Array) => unknown)[] = [
  parseX509popPayload, (bytes) => parseX509popChallenge('rsa', bytes), (bytes) => parseX509popChallenge('ecdsa', bytes), (bytes) => parseX509popAnswer('rsa', bytes, 0), (bytes) => parseX509popAnswer('ecdsa', bytes, 32),
  parseSshpopPayload, parseSshpopChallenge, parseSshpopAnswer, parseHttpChallengePayload, parseHttpChallenge,
]

fuzz('attestation-messages', 'a payload, challenge or answer is parsed, or refused with a code', textForm, fc.oneof(textEdits(messages, marks), fc.json(), fc.string()), (text) => {
  for (const parse of parsers) {
    try {
      parse(new TextEncoder().encode(text))
    } catch (error) {
      expect(error).toBeInstanceOf(MayflyError)
      expect(error instanceof MayflyError ? error.code : '').toBe('ATTESTATION_INVALID')
    }
  }
}, 0.4)

sshAuthority(folder, 'ca')
const hosts = [sshHost(folder, 'ca', 'ed'), sshHost(folder, 'ca', 'ec', ['-t', 'ecdsa', '-b', '521']), sshHost(folder, 'ca', 'many', ['-t', 'ed25519'], ['-h', '-n', 'a.example.org,b.example.org', '-z', '18446744073709551615'])]
const blobs = hosts.map(({ hostCertificate }) => readCertificateLine(readFileSync(hostCertificate, 'utf8')))

fuzz('ssh-certificate', 'bytes given as a certificate are the one that its authority signed, or are refused', hexForm, fc.oneof(fc.tuple(fc.constantFrom(...blobs), byteEdits).map(([blob, edits]) => editBytes(blob, edits)), fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.concat([sshString('ssh-ed25519-cert-v01@openssh.com'), bytes]))), (blob) => {
  try {
    parseSshCertificate(blob)
    expect(blobs.some((known) => Buffer.from(known).equals(blob))).toBe(true)
  } catch (error) {
    if (!(error instanceof SshFormatError)) throw error
  }
}, 0.3)

const keys = hosts.map(({ hostKey }) => readFileSync(hostKey, 'utf8'))
const certified = createPublicKey({ key: execFileSync('ssh-keygen', ['-e', '-m', 'PKCS8', '-f', join(folder, 'ec')]), format: 'pem' })
expect(parseSshPrivateKey(keys[1] ?? '').publicKey.key.equals(certified)).toBe(true)

fuzz('ssh-private-key', 'a text given as a host key is a key whose halves belong together, or is refused', textForm, textEdits(keys, ['A', '=', '\n', '-----', 'none', '/', '+']), (text) => {
  try {
    const { publicKey, keyObject } = parseSshPrivateKey(text)
    expect(createPublicKey(keyObject).equals(publicKey.key)).toBe(true)
  } catch (error) {
    if (!(error instanceof SshFormatError)) throw error
  }
}, 0.2)

const id = 'a1'.repeat(32)
const paths = [`/docker/${id}`, `/system.slice/docker-${id}.scope/init.scope`, `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0f3c2a1e_5b6d_4c7e_8f90_123456789abc.slice/cri-containerd-${id}.scope`, '/system.slice/system-getty.slice/getty@tty1.service', `/ecs/${'9'.repeat(32)}/${id}`]

fuzz('cgroup-names', 'a path of a cgroup names one container, none, or more than one', textForm, textEdits(paths, ['/', '..', 'docker', id, 'pod', '.slice', '.scope', ':', '_', '\n']), (path) => {
  const found = containerOf(path)
  if (found.kind === 'container') {
    expect(path.startsWith(found.container.cgroup)).toBe(true)
    expect(found.container.cgroup).toContain(found.container.id)
    expect(path.split(/[^0-9a-f]/).filter((part) => part.length === 64).length).toBeGreaterThan(0)
  }
  const unit = systemdUnitOf(path)
  if (unit !== undefined) expect(path.startsWith(unit.above)).toBe(true)
}, 0.1)

const reachable = new ReachableAddresses([])
const addresses = fc.oneof(fc.ipV4(), fc.ipV6(), fc.ipV4().map((text) => `::ffff:${text}`), fc.ipV4().map((text) => `64:ff9b::${text}`), textEdits(['127.0.0.1', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '169.254.169.254', 'fe80::1%eth0', '2001:db8::1', '10.0.0.0/8'], ['::', ':', '.', '0', 'ffff', '%', '/']))

fuzz('network-address', 'no spelling of an address inside is one outside', textForm, addresses, (text) => {
  parseNetwork(text)
  if (!reachable.may(text)) return
  expect(isIP(text)).not.toBe(0)
  // What the resolver of the system makes of it: loopback, private and link-local never.
  const canonical = new URL(`http://${text.includes(':') ? `[${text}]` : text}/`).hostname.replaceAll(/[[\]]/g, '')
  expect(canonical).not.toMatch(/^(127\.|10\.|192\.168\.|169\.254\.|0\.|::1$|::$|::ffff:(7f[0-9a-f]{2}:|a[0-9a-f]{2}:|c0a8:|a9fe:)|fe[89ab]|f[cd])/)
}, 0.1)

fuzz('docker-answer', "a daemon's answer is taken apart, or refused with a code", textForm, fc.oneof(textEdits([`{"Id":"${id}","Image":"sha256:d","Config":{"Labels":{"a":"b"},"Env":["A=b"],"Image":"web:1"}}`], ['null', '{', '}', '[', ']', '"', '1', ':', ',']), fc.json()), (text) => {
  try {
    factsIn(text, id)
  } catch (error) {
    expect(error).toBeInstanceOf(MayflyError)
    expect(error instanceof MayflyError ? error.code : '').toBe('RESPONSE_INVALID')
  }
}, 0.1)
