import { relative } from 'node:path'
import { userInfo } from 'node:os'

import { parseTrustDomain } from '../../core/spiffe-id.ts'
import { usage } from '../arguments.ts'
import { define } from '../command.ts'
import type { Command } from '../command.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-code.ts'
import { Installation, trustDomainIn } from '../dev/installation.ts'
import { drawStatus, readStatus, statusLines } from '../dev/live-status.ts'
import { supervise } from '../dev/supervise.ts'
import { placesOf } from '../places.ts'
import type { Places } from '../places.ts'

const defaultTrustDomain = 'example.org'

export const command: Command = define({
  about: [
    'Runs a server and an agent on this machine as two processes, until Ctrl-C. What they make stays in one folder, which the',
    'next start finds again. Every process of this user is its admin: for trying things, not for production.',
  ].join('\n'),
  options: {
    data: { type: 'string', value: 'DIR', help: 'where everything is kept; $MAYFLY_DATA, else ./.mayfly' },
    'trust-domain': { type: 'string', value: 'NAME', help: `${defaultTrustDomain} when unset` },
    'x509-svid-ttl': { type: 'string', value: '15m', help: 'how long SVIDs live' },
    tour: { type: 'boolean', help: 'instead show in a minute what it does, in a folder that is removed again' },
    attack: { type: 'boolean', help: 'instead attack a running system and show what catches it' },
  },
  examples: ['mayfly dev', 'mayfly dev --tour', 'mayfly dev --data /tmp/try --x509-svid-ttl 20s'],
  async run({ options }, context) {
    if (options.tour && options.attack) throw usage('dev', 'one at a time: --tour or --attack')
    if (options.tour) return (await import('../tour/tour.ts')).runTour(options.json, context)
    if (options.attack) return (await import('../tour/attack.ts')).runAttack(options.json, context)
    const places = placesOf({ data: options.data }, context)
    const trustDomain = parseTrustDomain(options['trust-domain'] ?? (await trustDomainIn(places)) ?? defaultTrustDomain)
    const installation = await Installation.start({ data: places.data, trustDomain, x509SvidTtl: options['x509-svid-ttl'] }, context)
    try {
      const tookMs = Math.round(context.clock.nowMs() - performance.timeOrigin) // from the start of this process
      if (options.json) context.output.json({ event: 'serving', trustDomain, tookMs, data: installation.places.data, serverSocket: installation.places.serverSocket, agentSocket: installation.places.agentSocket, workloadSocket: installation.places.workloadSocket, serverPid: installation.server.pid, agentPid: installation.agent.pid })
      else await greet(installation.places, tookMs, context)
      const supervised = [supervise('server', installation, context), supervise('agent', installation, context)]
      if (context.output.isTty && !options.json) await drawStatus(installation.places, context)
      await Promise.all(supervised)
    } finally {
      await installation[Symbol.asyncDispose]()
      if (context.output.isTty && !options.json) context.output.line('stopped')
    }
    return exitCodes.ok
  },
})

async function greet(places: Places, tookMs: number, context: Context): Promise<void> {
  const { output, env, cwd, clock } = context
  const near = relative(cwd, places.data)
  const mayfly = env['npm_lifecycle_event'] === 'start' ? 'npm run -s mayfly --' : 'mayfly'
  output.line(`mayfly serves after ${tookMs} ms; everything is in ${near === '' || near.startsWith('..') ? places.data : near}`)
  output.line()
  output.line('Try next, in another terminal:')
  output.line(`  ${mayfly} entry create --id /hello --selector unix:uid:${userInfo().uid}`)
  output.line(`  ${mayfly} run --as /hello -- sh -c 'openssl x509 -in "$MAYFLY_SVID_FILE" -noout -text'`)
  output.line(`  ${mayfly} revoke --id spiffe://${(await trustDomainIn(places)) ?? ''}/hello`)
  output.line()
  if (!output.isTty) for (const line of statusLines(await readStatus(places, context), clock.nowMs())) output.line(line)
}
