import { toHex } from '../../core/bytes.ts'
import { parseTrustDomain } from '../../core/spiffe-id.ts'
import { usage } from '../arguments.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  about: "Prints the trust domain's authorities, as PEM or as a SPIFFE bundle document.",
  options: { format: { type: 'string', value: 'HOW', help: 'pem (the default), spiffe, or digest: what an agent pins' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly bundle show > bundle.pem', 'mayfly bundle show --format spiffe', 'mayfly bundle show --format digest'],
  async run({ options }, context) {
    const format = options.format ?? (options.json ? 'spiffe' : 'pem')
    if (format !== 'pem' && format !== 'spiffe' && format !== 'digest') throw usage('bundle show', `no format ${JSON.stringify(format)}`)
    using server = await connectServer(options, context)
    const bundle = await server.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {}, { signal: context.signal })
    const authorities = bundle.x509Authorities.map((authority) => authority.asn1)
    if (format === 'pem') {
      const { encodeCertificatesPem } = await import('../../x509/pem.ts')
      context.output.raw(encodeCertificatesPem(authorities))
      return
    }
    const { bundleDigest, encodeBundle } = await import('../../x509/bundle.ts')
    if (format === 'digest') {
      const digest = toHex(bundleDigest(authorities))
      context.output.line(options.json ? JSON.stringify({ digest }) : digest)
      return
    }
    const text = encodeBundle({ trustDomain: parseTrustDomain(bundle.trustDomain), x509Authorities: authorities, sequence: BigInt(bundle.sequenceNumber), refreshHintSeconds: bundle.refreshHint })
    context.output.line(options.json ? JSON.stringify(JSON.parse(text)) : text.trimEnd())
  },
})
