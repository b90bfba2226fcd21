import { request } from 'node:https'
import type { IncomingMessage } from 'node:http'

import { memberOf, peerOf, SpiffeAgent, startRevocationFeed, X509Source } from '../../client/index.ts'
import type { PeerTerms } from '../../client/index.ts'
import { MayflyError } from '../../core/errors.ts'
import { parseSpiffeId, trustDomainOf } from '../../core/spiffe-id.ts'
import { oneOf } from '../../verify/authorize.ts'
import type { AcceptedSvid } from '../../verify/verify-svid.ts'
import { usage } from '../arguments.ts'
import { define, dataFolder } from '../command.ts'
import type { Command } from '../command.ts'
import { classOf } from '../class-option.ts'
import { exitCodes } from '../exit-code.ts'
import { placesOf } from '../places.ts'
import { whenText } from '../when.ts'

export const command: Command = define({
  arguments: '<url>',
  positionals: [1, 1],
  about: [
    'Asks an https server as a workload: mutual TLS with the SVID of this very process, and the server known by its SPIFFE ID, not by its name in',
    'DNS. Says on stderr who answered, under which authority and how fresh its revocation is known; the body goes to stdout.',
  ].join('\n'),
  options: {
    request: { type: 'string', short: 'X', value: 'METHOD', help: 'GET, or POST with --body, when unset' },
    header: { type: 'string', short: 'H', multiple: true, value: 'LINE', help: 'a header, as Name: value' },
    body: { type: 'string', short: 'b', value: 'TEXT', help: 'what to send' },
    allow: { type: 'string', multiple: true, value: 'ID', help: 'only a server of this SPIFFE ID; any of the own trust domain when unset' },
    class: { type: 'string', value: 'CLASS', help: 'strict, standard or available: how old the revocation state may be; standard when unset' },
    fail: { type: 'boolean', short: 'f', help: 'end with 1 when the answer is 400 or above' },
    socket: { type: 'string', value: 'PATH', help: 'the Workload API; $SPIFFE_ENDPOINT_SOCKET, else DATA/agent/workload.sock' },
    ...dataFolder,
  },
  examples: ['mayfly curl https://127.0.0.1:8443/health', 'mayfly curl https://db.internal:8443 --allow spiffe://example.org/db --class strict', 'mayfly curl -b \'{"a":1}\' -H "content-type: application/json" https://127.0.0.1:8443/things'],
  async run({ options, positionals: [text = ''] }, context) {
    const { output, signal, clock, random, env } = context
    const url = urlOf(text)
    const wanted = classOf('curl', options.class)
    await using source = await X509Source.start({ endpoint: `unix://${placesOf(options, context).workloadSocket}`, startTimeoutMs: 10_000, signal }, { clock, random, env })
    await using feed = await startRevocationFeed(source, { class: wanted, software: 'mayfly curl' })
    const { id } = source.current()
    const allow = options.allow.length > 0 ? oneOf(options.allow.map((item) => parseSpiffeId(item))) : memberOf(trustDomainOf(id))
    const terms: PeerTerms = { allow, revocation: feed, class: wanted }
    const known = new AbortController()
    await Promise.race([feed.synced, clock.sleep(syncWaitMs, AbortSignal.any([signal, known.signal]))])
    known.abort()
    const response = await ask(url, source, terms, options, signal)
    const peer = peerOf(response.socket)
    const status = response.statusCode ?? 0
    if (options.json) {
      output.json({ ...(peer === undefined ? {} : peerJson(peer)), as: id, status, headers: response.headers, body: await textOf(response) })
    } else {
      if (peer !== undefined) for (const line of peerLines(peer, id, clock.nowMs())) output.note(line)
      output.note(`${status} ${response.statusMessage ?? ''}`.trimEnd())
      response.setEncoding('utf8')
      for await (const part of response) output.raw(String(part))
    }
    return options.fail && status >= 400 ? exitCodes.failed : exitCodes.ok
  },
})

/** How long the first revocation state is waited for. */
const syncWaitMs = 3_000

async function ask(url: URL, source: X509Source, terms: PeerTerms, options: { readonly request: string | undefined; readonly header: readonly string[]; readonly body: string | undefined }, signal: AbortSignal): Promise<IncomingMessage> {
  const agent = new SpiffeAgent(source, terms)
  const method = options.request ?? (options.body === undefined ? 'GET' : 'POST')
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent, method, headers: headersOf(options.header), signal }, resolve)
    asked.once('error', (error) => reject(error instanceof MayflyError ? error : new MayflyError('UNAVAILABLE', `no answer from ${url.host}: ${error.message}`, { cause: error })))
    asked.end(options.body)
  })
}

function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:') throw usage('curl', `${JSON.stringify(text)} is not an https URL`)
  return url
}

function headersOf(lines: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf(':')
      if (at <= 0) throw usage('curl', `${JSON.stringify(line)} is not a header: Name: value`)
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()]
    }),
  )
}

function peerLines(peer: AcceptedSvid, own: string, nowMs: number): readonly string[] {
  return [
    `${peer.id} answered ${own}`,
    `serial ${peer.serial}, ends ${whenText(peer.notAfterMs, nowMs)}, authority ${peer.facts.authorityId.slice(0, 16)}`,
    `not revoked as of ${peer.ageMs === undefined ? 'never' : `${Math.round(peer.ageMs)}ms ago`}${peer.stale ? ' (stale)' : ''}`,
  ]
}

function peerJson({ id, serial, notAfterMs, facts, stale, ageMs }: AcceptedSvid): Record<string, unknown> {
  return { peer: id, serial, notAfterMs, authority: facts.authorityId, stale, ageMs: ageMs ?? null }
}

async function textOf(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8')
  let text = ''
  for await (const part of response) text += String(part)
  return text
}
