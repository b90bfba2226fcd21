import { usage } from '../arguments.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer, endingTimeoutMs } from '../connection.ts'
import { count } from '../verifiers.ts'

export const command: Command = define({
  arguments: '<name>',
  positionals: [1, 1],
  about: ['Removes an owner. While they own anything it is refused: transfer it first, or end it all with --end-all: their grants end,', 'their entries are disabled and what was issued to them is revoked. --dry-run says what that is.'].join('\n'),
  options: {
    'end-all': { type: 'boolean', help: 'end everything that is theirs' },
    'dry-run': { type: 'boolean', help: 'say what would end; change nothing' },
    expect: { type: 'string', value: 'N', help: 'do nothing unless exactly so many grants and entries are hit' },
    ...serverSocket,
    ...dataFolder,
  },
  examples: ['mayfly owner remove alice --dry-run', 'mayfly owner remove alice --end-all --expect 12'],
  async run({ options, positionals: [name = ''] }, context) {
    const { output, signal } = context
    const expect = options.expect === undefined ? undefined : Number(options.expect)
    if (expect !== undefined && (!Number.isInteger(expect) || expect < 0)) throw usage('owner remove', '--expect is not a number')
    using server = await connectServer(options, context)
    const dryRun = options['dry-run']
    const end = await server.unary('mayfly.v1.GrantAdmin', 'RemoveOwner', { name, endAll: options['end-all'] || dryRun, dryRun, ...(expect === undefined ? {} : { expect: { value: expect } }) }, { signal, timeoutMs: endingTimeoutMs })
    const { grants, entries, roles, credentials, streamSeq } = end
    if (options.json) return output.json({ owner: name, grants, entries, roles, credentials, streamSeq, dryRun })
    output.line(`${dryRun ? 'would end ' : `${name} is removed: `}${count(grants, 'grant')}, ${count(entries, 'entry', 'entries')}, ${count(roles, 'role')} and ${count(credentials, 'credential')}${dryRun ? '' : ' ended'}`)
  },
})
