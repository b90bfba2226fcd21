import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { signedWord } from '../approvals.ts'
import { connectServer } from '../connection.ts'
import { grantLine, grantToJson } from '../grants.ts'
import { signingOptions } from '../signing.ts'

export const command: Command = define({
  arguments: '<id>',
  positionals: [1, 1],
  about: ['Approves a request, or one step of a running grant, as a registered person: shows the words, has ssh-keygen sign them with', 'your key, and brings the signature to the server. Nobody approves what is their own.'].join('\n'),
  options: { ...signingOptions, ...serverSocket, ...dataFolder },
  examples: ['mayfly approve 01j9z3k5m7p9r1t3v5x7z9b1d3 --as alice', 'mayfly approve 01j9z3k5m7p9r1t3v5x7z9b1d3 --print > words', 'mayfly approve 01j9z3k5m7p9r1t3v5x7z9b1d3 --as alice --signature words.sig'],
  async run({ options, positionals: [id = ''] }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    const word = await signedWord(server, id, 'approve', options, context)
    if (word === undefined) return
    const grant = await server.unary('mayfly.v1.Approvals', 'Approve', { id, ...word }, { signal })
    if (options.json) output.json(grantToJson(grant))
    else output.line(`${word.approver} has approved: ${grantLine(grant)}`)
  },
})
