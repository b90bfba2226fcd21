import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { resolveTarget, targetOptions, targetText } from '../target.ts'

export const command: Command = define({
  arguments: '[id | entry | agent]',
  positionals: [0, 1],
  about: 'Takes back the disablement that a revoke left. There is no undo of the revocation itself: workloads get new SVIDs.',
  options: { ...targetOptions, reason: { type: 'string', value: 'TEXT', help: 'goes into the record' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly enable spiffe://example.org/web --reason "incident closed"', 'mayfly enable --owner data-team'],
  async run({ options, positionals: [argument] }, context) {
    using server = await connectServer(options, context)
    const target = await resolveTarget(argument, options, server, context.signal)
    await server.unary('mayfly.v1.Revocations', 'Enable', { target, reason: options.reason ?? '' }, { signal: context.signal })
    if (options.json) context.output.json({ target, disabled: false })
    else context.output.line(`${targetText(target)} is enabled`)
  },
})
