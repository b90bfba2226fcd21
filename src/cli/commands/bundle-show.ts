import { toHex } from '../../core/bytes.ts'
import type { FederatedBundle } from '../../core/federated-bundle.ts'
import type { RpcChannel } from '../../rpc/channel.ts'
import { usage } from '../arguments.ts'
import { bundleFromWire, trustDomainArgument } from '../bundles.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  arguments: '[trust domain]',
  positionals: [0, 1],
  about: "Prints the trust domain's authorities, or those of another trust domain that were set here, as PEM or as a SPIFFE bundle document.",
  options: { format: { type: 'string', value: 'HOW', help: 'pem (the default), spiffe, or digest: what an agent pins' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly bundle show > bundle.pem', 'mayfly bundle show --format spiffe', 'mayfly bundle show --format digest', 'mayfly bundle show partner.example --format spiffe'],
  async run({ options, positionals: [name] }, context) {
    const format = options.format ?? (options.json ? 'spiffe' : 'pem')
    if (format !== 'pem' && format !== 'spiffe' && format !== 'digest') throw usage('bundle show', `no format ${JSON.stringify(format)}`)
    using server = await connectServer(options, context)
    const bundle = await bundleOf(name, server, context.signal)
    const { x509Authorities } = bundle
    if (format === 'pem') {
      const { encodeCertificatesPem } = await import('../../x509/pem.ts')
      context.output.raw(encodeCertificatesPem(x509Authorities))
      return
    }
    if (format === 'digest') {
      const { bundleDigest } = await import('../../x509/bundle.ts')
      const digest = toHex(bundleDigest(x509Authorities))
      context.output.line(options.json ? JSON.stringify({ digest }) : digest)
      return
    }
    const { encodeFederatedBundle } = await import('../../x509/federated-bundle.ts')
    context.output.line(encodeFederatedBundle(bundle))
  },
})

/** @throws {MayflyError} NOT_FOUND, SPIFFE_ID_INVALID */
async function bundleOf(name: string | undefined, server: RpcChannel, signal: AbortSignal): Promise<FederatedBundle> {
  const own = await server.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {}, { signal })
  const trustDomain = name === undefined ? own.trustDomain : trustDomainArgument(name)
  return bundleFromWire(trustDomain === own.trustDomain ? own : await server.unary('spire.api.server.bundle.v1.Bundle', 'GetFederatedBundle', { trustDomain }, { signal }))
}
