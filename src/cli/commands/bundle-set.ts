import process from 'node:process'
import { MayflyError } from '../../core/errors.ts'
import { requireOk } from '../batches.ts'
import { bundleFromWire, bundleToWire, lastEnd, trustDomainArgument } from '../bundles.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { readAll } from '../read-data.ts'
import { readNamedFile } from '../read-file.ts'

export const command: Command = define({
  arguments: '<trust domain> <file | ->',
  positionals: [2, 2],
  about: [
    'Sets the bundle of another trust domain, in place of the one before: a SPIFFE bundle document, or certificates in PEM. Workloads whose entries',
    'federate with it have it at once. Bring it by a way that you trust: whoever is in it may name every identity of that trust domain.',
  ].join('\n'),
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly bundle set partner.example partner.json', 'ssh partner spire-server bundle show -format spiffe | mayfly bundle set partner.example -'],
  async run({ options, positionals: [name = '', file = ''] }, context) {
    const { output, signal, cwd, clock } = context
    const trustDomain = trustDomainArgument(name)
    const text = file === '-' ? await readAll(process.stdin) : await readNamedFile(file, cwd)
    const { parseFederatedBundle } = await import('../../x509/federated-bundle.ts')
    const bundle = parseFederatedBundle(trustDomain, text)
    using server = await connectServer(options, context)
    const { results } = await server.unary('spire.api.server.bundle.v1.Bundle', 'BatchSetFederatedBundle', { bundle: [bundleToWire(bundle)] }, { signal })
    const [result] = results
    requireOk(result?.status)
    if (result?.bundle === null || result?.bundle === undefined) throw new MayflyError('RESPONSE_INVALID', 'the server did not say what it has set')
    const kept = bundleFromWire(result.bundle)
    const { x509Authorities, jwtAuthorities, sequence } = kept
    if (options.json) output.json({ trustDomain, x509Authorities: x509Authorities.length, jwtAuthorities: jwtAuthorities.length, sequence, lastEnds: lastEnd(kept) })
    else output.line(`set ${trustDomain}: ${x509Authorities.length} ${x509Authorities.length === 1 ? 'authority' : 'authorities'}${x509Authorities.length === 0 ? ', so that nothing of it is trusted' : `, the last ends ${lastEnd(kept)}`}`)
    if (x509Authorities.length > 0 && Date.parse(lastEnd(kept)) < clock.nowMs()) output.note('mayfly: all of its authorities have expired: nothing of it is trusted')
  },
})
