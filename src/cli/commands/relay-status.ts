import type { RelayStatus__Output as RelayStatus } from '../../../proto/generated/mayfly/v1/RelayStatus.ts'
import { MayflyError } from '../../core/errors.ts'
import { formatStreamPlace, hostPortOf, parseStreamPlace, type StreamPlace } from '../../core/stream-place.ts'
import { formatDuration } from '../../core/duration.ts'
import type { RpcChannel } from '../../rpc/channel.ts'
import { define } from '../command.ts'
import type { Command } from '../command.ts'
import type { Context } from '../context.ts'
import { timeText, whenText } from '../when.ts'

export const command: Command = define({
  arguments: '<place>',
  positionals: [1, 1],
  about: 'Shows one relay, asked at its Unix socket or loopback port: what it reads from, how old that is, and who reads there.',
  options: {},
  examples: ['mayfly relay status unix:/run/mayfly-relay/relay.sock', 'mayfly relay status plain:127.0.0.1:8443 --json'],
  async run({ options, positionals: [text = ''] }, context) {
    const { output, signal, clock } = context
    const place = parseStreamPlace(text)
    using channel = await connect(place, context)
    const { startedAtMs, ...status } = await channel.unary('mayfly.v1.Relays', 'Status', {}, { signal, timeoutMs: 5_000 })
    if (options.json) {
      output.json({ ...status, startedAt: timeText(startedAtMs) })
      return
    }
    output.facts([
      ['relay', `${formatStreamPlace(place)}, version ${status.version}, started ${whenText(startedAtMs, clock.nowMs())}`],
      ['trust domain', status.trustDomain],
      ['listens at', status.listening.join(', ')],
      ['stream', status.ageMs < 0 ? 'none yet' : `${status.epoch}/${status.seq}, ${ageText(status.ageMs)} old`],
      ['depth', status.depth === 0 ? '' : `${status.depth} relays from the server, this one counted`],
      ['readers', `${status.readers}, and ${status.verifiers} registered verifiers here and below`],
      ['memory', `${Math.round(status.rssBytes / 1_048_576)} MB`],
      ...status.upstreams.map((upstream, at): [string, string] => [at === 0 ? 'upstreams' : '', upstreamText(upstream)]),
    ])
  },
})

async function connect(place: StreamPlace, { clock }: Context): Promise<RpcChannel> {
  const { RpcChannel: Channel } = await import('../../rpc/channel.ts')
  switch (place.kind) {
    case 'unix':
      return Channel.connectUnix(place.path, { clock })
    case 'plain':
      return Channel.connectPlain(hostPortOf(place), { clock })
    case 'tls':
      throw new MayflyError('USAGE', 'a relay is asked over a Unix socket or a loopback port', { hint: 'let it listen at a socket too: --listen may be given several times' })
    default:
      return place satisfies never
  }
}

function upstreamText({ name, current, connected, lagMs, leftFor }: RelayStatus['upstreams'][number]): string {
  const state = current ? 'read from' : connected ? 'tried' : 'waiting'
  return `${name}: ${state}${current && !connected ? ', no connection' : ''}${lagMs < 0 ? '' : `, ${ageText(lagMs)} behind`}${leftFor === '' ? '' : `, left once: ${leftFor}`}`
}

function ageText(ms: number): string {
  return ms < 1_000 ? `${ms}ms` : formatDuration(Math.round(ms / 1_000) * 1_000)
}
