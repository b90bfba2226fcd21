import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { signedWord } from '../approvals.ts'
import { connectServer } from '../connection.ts'
import { grantLine, grantToJson } from '../grants.ts'
import { signingOptions } from '../signing.ts'

export const command: Command = define({
  arguments: '<id>',
  positionals: [1, 1],
  about: 'Denies a request, or one step of a running grant, as a registered person; with --withdraw it takes back an approval given before, which ends the grant when too few are left.',
  options: { ...signingOptions, reason: { type: 'string', value: 'TEXT', help: 'told to who asks' }, withdraw: { type: 'boolean', help: 'take back an approval' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly deny 01j9z3k5m7p9r1t3v5x7z9b1d3 --as alice --reason "not on a Friday"', 'mayfly deny 01j9z3k5m7p9r1t3v5x7z9b1d3 --as alice --withdraw'],
  async run({ options, positionals: [id = ''] }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    const word = await signedWord(server, id, options.withdraw ? 'withdraw' : 'deny', options, context)
    if (word === undefined) return
    const grant = options.withdraw
      ? await server.unary('mayfly.v1.Approvals', 'Withdraw', { grantId: id, ...word }, { signal })
      : await server.unary('mayfly.v1.Approvals', 'Deny', { id, ...word, reason: options.reason ?? '' }, { signal })
    if (options.json) output.json(grantToJson(grant))
    else output.line(`${word.approver} has ${options.withdraw ? 'withdrawn the approval' : 'denied'}: ${grantLine(grant)}`)
  },
})
