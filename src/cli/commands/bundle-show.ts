import { parseTrustDomain } from '../../core/spiffe-id.ts'
import { usage } from '../arguments.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  about: "Prints the trust domain's authorities, as PEM or as a SPIFFE bundle document.",
  options: { format: { type: 'string', value: 'HOW', help: 'pem (the default) or spiffe' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly bundle show > bundle.pem', 'mayfly bundle show --format spiffe'],
  async run({ options }, context) {
    const format = options.format ?? (options.json ? 'spiffe' : 'pem')
    if (format !== 'pem' && format !== 'spiffe') throw usage('bundle show', `no format ${JSON.stringify(format)}`)
    using server = await connectServer(options, context)
    const bundle = await server.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {}, { signal: context.signal })
    const authorities = bundle.x509Authorities.map((authority) => authority.asn1)
    if (format === 'pem') {
      const { encodeCertificatesPem } = await import('../../x509/pem.ts')
      context.output.raw(encodeCertificatesPem(authorities))
      return
    }
    const { encodeBundle } = await import('../../x509/bundle.ts')
    const text = encodeBundle({ trustDomain: parseTrustDomain(bundle.trustDomain), x509Authorities: authorities, sequence: BigInt(bundle.sequenceNumber), refreshHintSeconds: bundle.refreshHint })
    context.output.line(options.json ? JSON.stringify(JSON.parse(text)) : text.trimEnd())
  },
})
