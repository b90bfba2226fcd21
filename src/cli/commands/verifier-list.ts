import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { allVerifiers, count, verifierToJson } from '../verifiers.ts'
import { whenText } from '../when.ts'

export const command: Command = define({
  about: [
    'Lists who checks peers by the revocation stream: each verifier that registered, under which staleness class, and how many',
    'events behind the server its last receipt is. With --json one object a line.',
  ].join('\n'),
  options: { behind: { type: 'boolean', help: 'only those that have not receipted all' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly verifier list', 'mayfly verifier list --behind --json'],
  async run({ options }, context) {
    const { output, signal, clock } = context
    using server = await connectServer(options, context)
    const { verifiers, unregistered, epoch, seq } = await allVerifiers(server, signal)
    const shown = options.behind ? verifiers.filter((verifier) => verifier.epoch !== epoch || verifier.seq < seq) : verifiers
    if (options.json) {
      for (const verifier of shown) output.json(verifierToJson(verifier))
      return
    }
    const behind = (verifier: (typeof verifiers)[number]): string => {
      if (verifier.unsigned) return 'unsigned'
      if (verifier.stateDiffers) return 'differs'
      if (verifier.receiptAtMs === 0) return 'unheard'
      return verifier.epoch === epoch ? String(Math.max(0, seq - verifier.seq)) : 'epoch'
    }
    output.table(
      ['VERIFIER', 'INSTANCE', 'CLASS', 'BEHIND', 'RECEIPT', 'SOFTWARE'],
      shown.map((verifier) => [verifier.spiffeId, verifier.instance.slice(0, 8), verifier.class, behind(verifier), whenText(verifier.receiptAtMs, clock.nowMs()), verifier.software]),
    )
    if (unregistered > 0) output.note(`${count(unregistered, 'reader')} of the stream did not register`)
  },
})
