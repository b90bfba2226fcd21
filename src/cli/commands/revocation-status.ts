import type { RevocationStatusResponse__Output as RevocationStatusResponse } from '../../../proto/generated/mayfly/v1/RevocationStatusResponse.ts'
import { usage } from '../arguments.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { verifierText, verifierToJson } from '../verifiers.ts'
import { clockText } from '../when.ts'

const watchEveryMs = 500

export const command: Command = define({
  about: [
    'For each recent revocation: how many of the registered verifiers have it, after how many milliseconds (the half of them, 99 in',
    'a hundred, the last), and who has not. With --json one object a revocation, the newest first.',
  ].join('\n'),
  options: {
    limit: { type: 'string', value: 'N', help: 'the newest so many; 10' },
    watch: { type: 'boolean', help: 'again with every change, until Ctrl-C' },
    ...serverSocket,
    ...dataFolder,
  },
  examples: ['mayfly revocation status', 'mayfly revocation status --watch', 'mayfly revocation status --limit 1 --json'],
  async run({ options }, context) {
    const { output, signal, clock } = context
    const limit = Number(options.limit ?? 10)
    if (!Number.isInteger(limit) || limit < 1) throw usage('revocation status', '--limit is not a number of revocations')
    using server = await connectServer(options, context)
    let before = ''
    do {
      const status = await server.unary('mayfly.v1.Verifiers', 'RevocationStatus', { limit }, { signal })
      const now = JSON.stringify(status)
      if (now !== before) {
        if (options.json) for (const revocation of jsonOf(status)) output.json(revocation)
        else {
          if (options.watch && output.isTty) output.raw('\u001B[2J\u001B[H')
          print(status, output)
        }
      }
      before = now
      if (options.watch) await clock.sleep(watchEveryMs, signal)
    } while (options.watch)
  },
})

function print(status: RevocationStatusResponse, output: { table(header: readonly string[], rows: readonly (readonly string[])[]): void; line(text?: string): void }): void {
  const ms = (value: number): string => (value < 0 ? '' : `${value} ms`)
  output.table(
    ['COMMITTED', 'STREAM', 'REVOKED', 'HAVE IT', 'P50', 'P99', 'LAST'],
    status.revocations.map(({ committedAtMs, seq, events, receipted, verifiers, p50Ms, p99Ms, maxMs }) => [clockText(committedAtMs), `${status.epoch}/${seq}`, String(events), `${receipted} of ${verifiers}`, ms(p50Ms), ms(p99Ms), ms(maxMs)]),
  )
  const [newest] = status.revocations
  for (const verifier of newest?.missing.slice(0, 10) ?? []) output.line(`missing: ${verifierText(verifier)}`)
  if (status.unregistered + status.unsigned > 0) output.line(`not counted: ${status.unregistered} unregistered, ${status.unsigned} unsigned`)
}

function jsonOf({ epoch, unregistered, unsigned, revocations }: RevocationStatusResponse): readonly Record<string, unknown>[] {
  return revocations.map(({ missing, ...revocation }) => ({ epoch, ...revocation, unregistered, unsigned, missing: missing.map((verifier) => verifierToJson(verifier)) }))
}
