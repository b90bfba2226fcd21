import { authorityHeader, authorityJson, authorityRow } from '../authorities.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { MayflyError } from '../../core/errors.ts'

export const command: Command = define({
  arguments: '[authority]',
  positionals: [0, 1],
  about: [
    'The signing authorities of the trust domain: prepared, active, old, tainted or revoked, how many live credentials each signed and how',
    'many of them nothing has replaced yet, and whether every agent knows it. Of one authority the certificate too, as PEM, with those above it.',
  ].join('\n'),
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly authority show', 'mayfly authority show 3f1a9c0d --json'],
  async run({ options, positionals: [prefix] }, { output, signal, ...context }) {
    using server = await connectServer(options, { output, signal, ...context })
    const { authorities } = await server.unary('mayfly.v1.Authorities', 'List', {}, { signal })
    const shown = prefix === undefined ? authorities : authorities.filter(({ id }) => id.startsWith(prefix.toLowerCase()))
    if (prefix !== undefined && shown.length !== 1) {
      throw new MayflyError('NOT_FOUND', shown.length === 0 ? `no authority ${prefix}` : `${prefix} begins the id of ${shown.length} authorities`, { hint: 'mayfly authority show lists them' })
    }
    if (options.json) {
      output.json(prefix === undefined ? shown.map(authorityJson) : authorityJson(shown[0] ?? fail()))
      return
    }
    output.table(authorityHeader, shown.map((authority) => authorityRow(authority, context.clock.nowMs())))
    if (prefix === undefined) return
    const { encodeCertificatesPem } = await import('../../x509/pem.ts')
    output.raw(encodeCertificatesPem(shown.flatMap(({ certificate, above }) => [certificate, ...above])))
  },
})

function fail(): never {
  throw new MayflyError('INTERNAL', 'the list lost its one authority')
}
