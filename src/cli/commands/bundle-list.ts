import { federatedBundles, lastEnd } from '../bundles.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  about: 'Trust domains whose bundles were set here, for entries to federate with.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly bundle list', 'mayfly bundle list --json'],
  async run({ options }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    const bundles = await federatedBundles(server, signal)
    if (options.json) {
      for (const bundle of bundles) output.json({ trustDomain: bundle.trustDomain, x509Authorities: bundle.x509Authorities.length, jwtAuthorities: bundle.jwtAuthorities.length, sequence: bundle.sequence, refreshHintSeconds: bundle.refreshHintSeconds, lastEnds: lastEnd(bundle) })
    } else {
      output.table(['TRUST DOMAIN', 'AUTHORITIES', 'JWT KEYS', 'SEQUENCE', 'LAST ENDS'], bundles.map((bundle) => [bundle.trustDomain, String(bundle.x509Authorities.length), String(bundle.jwtAuthorities.length), bundle.sequence === 0 ? '-' : String(bundle.sequence), lastEnd(bundle)]))
    }
  },
})
