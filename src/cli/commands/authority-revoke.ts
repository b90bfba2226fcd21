import { usage } from '../arguments.ts'
import { endJson, endOptions, hitText, shortId } from '../authorities.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { clockText } from '../when.ts'

export const command: Command = define({
  arguments: '<authority>',
  positionals: [1, 1],
  about: [
    'Ends an authority for good: it leaves the bundle, its key is destroyed, and every verifier refuses what it signed, cutting open',
    'connections. Agents that still hang on it must join anew: mayfly authority taint moves them first. Over ten credentials it',
    'wants --expect with their number.',
  ].join('\n'),
  options: { ...endOptions, expect: { type: 'string', value: 'N', help: 'do nothing unless exactly so many credentials are hit' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly authority revoke 3f1a9c0d --reason "key was copied"', 'mayfly authority revoke 3f1a9c0d --replace-active --expect 120'],
  async run({ options, positionals: [id = ''] }, context) {
    const { output, signal } = context
    const expect = options.expect === undefined ? undefined : Number(options.expect)
    if (expect !== undefined && (!Number.isInteger(expect) || expect < 0)) throw usage('authority revoke', '--expect is not a number of credentials')
    using server = await connectServer(options, context)
    const dryRun = options['dry-run']
    const request = { id, dryRun, replaceActive: options['replace-active'], reason: options.reason ?? '', ...(expect === undefined ? {} : { expect: { value: expect } }) }
    const end = await server.unary('mayfly.v1.Authorities', 'Revoke', request, { signal })
    if (options.json) output.json(endJson(end, dryRun))
    else if (dryRun) output.line(`would end ${hitText(end)}`)
    else output.line(`authority ${shortId(end.authority?.id ?? id)} revoked at ${clockText(end.committedAtMs)}, stream ${end.epoch}/${end.streamSeq}: ${hitText(end)} ended`)
  },
})
