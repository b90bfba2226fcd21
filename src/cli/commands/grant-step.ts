import { parseDurationMs } from '../../core/duration.ts'
import { define, dataFolder } from '../command.ts'
import type { Command } from '../command.ts'
import { connectWorkloadApi } from '../connection.ts'
import { exitCodes } from '../exit-code.ts'

export const command: Command = define({
  arguments: '<action> <kind:name>',
  positionals: [2, 2],
  about: ['Inside a grant: asks whether one action may be taken now, and records it. Exit code 0: it may; 4: it may not, with the names of the', 'controls that say so. A step that a person must approve waits for --wait.'].join('\n'),
  options: {
    description: { type: 'string', value: 'TEXT', help: 'what it is, for the record and for who approves' },
    wait: { type: 'string', value: '5m', help: 'how long to wait for a person, a number being seconds; not at all when unset' },
    grant: { type: 'string', value: 'ID', help: 'which grant; on its own socket there is one' },
    socket: { type: 'string', value: 'PATH', help: "the grant's socket; $SPIFFE_ENDPOINT_SOCKET, as run --do sets it" },
    ...dataFolder,
  },
  examples: ['mayfly grant step write db:orders --description "add column"', 'mayfly grant step delete db:orders --wait 5m'],
  async run({ options, positionals: [action = '', resource = ''] }, context) {
    const { output, signal, env } = context
    const waitSeconds = secondsOf(options.wait ?? '0')
    using agent = await connectWorkloadApi(options, context)
    const step = { grantId: options.grant ?? env['MAYFLY_GRANT'] ?? '', action, resource, description: options.description ?? '', waitSeconds }
    const answer = await agent.unary('mayfly.v1.Grants', 'Step', step, { signal, timeoutMs: (waitSeconds + 15) * 1_000 })
    if (options.json) output.json(answer)
    else output.line(`${answer.allowed ? 'allowed' : 'denied'} by ${answer.reasons.join(', ')}${answer.allowed ? `; ${answer.stepsLeft} steps left` : ''}`)
    if (!answer.allowed && answer.hint !== '' && !options.json) output.note(`hint: ${answer.hint}`)
    return answer.allowed ? exitCodes.ok : exitCodes.denied
  },
})

/** `5m`, or a number of seconds. @throws {MayflyError} DURATION_INVALID */
function secondsOf(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : Math.ceil(parseDurationMs(text) / 1_000)
}
