import { parseDurationMs } from '../../core/duration.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { readPolicies } from '../policy-files.ts'

export const command: Command = define({
  arguments: '<folder | file.cedar>',
  positionals: [1, 1],
  about: 'Asks a proposed policy everything that was asked of the one in force, as it was asked then, and shows what would have come out differently. Changes nothing.',
  options: { since: { type: 'string', value: '7d', help: 'only what was asked within this time; all there is otherwise' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly policy replay policies/ --since 7d'],
  async run({ options, positionals: [path = ''] }, context) {
    const { output, signal, cwd, clock } = context
    const set = await readPolicies(path, cwd)
    const sinceMs = options.since === undefined ? 0 : clock.nowMs() - parseDurationMs(options.since)
    using server = await connectServer(options, context)
    const { requests, differences } = await server.unary('mayfly.v1.Policies', 'Replay', { set: { policies: { ...set } }, sinceMs }, { signal })
    if (options.json) return output.json({ requests, differences })
    output.line(`${requests} decisions asked again, ${differences.length} would be another`)
    if (differences.length > 0) output.table(['GRANT', 'AT', 'WAS', 'WOULD BE', 'BY'], differences.map(({ grantId, at, wasAllowed, nowAllowed, reasons }) => [grantId, at, word(wasAllowed), word(nowAllowed), reasons.join(', ')]))
  },
})

function word(allowed: boolean): string {
  return allowed ? 'allowed' : 'denied'
}
