import { existsSync } from 'node:fs'

import { isSpiffeId } from '../../core/spiffe-id.ts'
import { usage } from '../arguments.ts'
import { define, agentSocket, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { explainCertificate, explainSerial } from '../why/credential.ts'
import { explainId } from '../why/id.ts'
import { explainProcess } from '../why/process.ts'

export const command: Command = define({
  arguments: '<pid | id | serial | cert.pem>',
  positionals: [1, 1],
  about: [
    'Says why something is accepted or not: the facts that the agent sees of a process and which selector of which entry failed,',
    'what stands in the way of an ID, what became of a credential; and the one command that mends it.',
  ].join('\n'),
  options: { ...serverSocket, ...agentSocket, ...dataFolder },
  examples: ['mayfly why 4711', 'mayfly why $(pgrep -n myservice)', 'mayfly why spiffe://example.org/web', 'mayfly why 0101c9a3f20000002a5be1c0f7d9aa0142', 'mayfly why svid.pem'],
  async run({ options, positionals: [what = ''] }, context) {
    if (/^\d{1,10}$/.test(what)) return explainProcess(Number(what), options, context)
    if (/^[0-9a-fA-F]{34}$/.test(what.replaceAll(':', ''))) return explainSerial(what, options, context)
    if (isSpiffeId(what) || (what.startsWith('/') && !existsSync(what))) return explainId(what, options, context)
    if (existsSync(what)) return explainCertificate(what, options, context)
    throw usage('why', `${JSON.stringify(what.slice(0, 80))} is neither a pid, a SPIFFE ID, a serial nor a file`)
  },
})
