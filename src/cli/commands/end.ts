import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { grantLine, grantToJson } from '../grants.ts'
import { clockText } from '../when.ts'

export const command: Command = define({
  arguments: '<grant>',
  positionals: [1, 1],
  about: ['Ends a grant and all below it, now: its SVID is refused by every verifier, connections are cut, what the agent holds is purged.', 'With --suspend it is only stopped until --resume: its SVID ends too, and the next is another.'].join('\n'),
  options: {
    reason: { type: 'string', value: 'TEXT', help: 'for the record' },
    suspend: { type: 'boolean', help: 'stop it for now' },
    resume: { type: 'boolean', help: 'let one that was suspended go on' },
    ...serverSocket,
    ...dataFolder,
  },
  examples: ['mayfly end 01j9z3k5m7p9r1t3v5x7z9b1d3 --reason "wrong cluster"', 'mayfly end 01j9z3k5m7p9r1t3v5x7z9b1d3 --suspend'],
  async run({ options, positionals: [grantId = ''] }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    if (options.suspend || options.resume) {
      const detail = options.reason ?? ''
      const grant = options.suspend ? await server.unary('mayfly.v1.GrantAdmin', 'Suspend', { grantId, detail }, { signal }) : await server.unary('mayfly.v1.GrantAdmin', 'Resume', { grantId }, { signal })
      return options.json ? output.json(grantToJson(grant)) : output.line(grantLine(grant))
    }
    const { grant, grants, credentials, epoch, streamSeq, committedAtMs } = await server.unary('mayfly.v1.GrantAdmin', 'End', { grantId, cause: 'operator', detail: options.reason ?? '' }, { signal })
    if (options.json) return output.json({ grant: grant === null ? undefined : grantToJson(grant), grants, credentials, epoch, streamSeq, committedAtMs })
    if (grant !== null) output.line(grantLine(grant))
    if (grants > 0) output.line(`${grants} grant${grants === 1 ? '' : 's'} and ${credentials} credential${credentials === 1 ? '' : 's'} ended at ${clockText(committedAtMs)}, stream ${epoch}/${streamSeq}`)
  },
})
