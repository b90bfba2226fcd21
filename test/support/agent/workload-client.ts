/**
 * A workload as a process of its own: follows FetchX509SVID on the socket it is told and prints a line of JSON for each message and each
 * failure; after a failure it tries again, as clients do. Arguments: socket, and `once` to stop after the first line.
 */
import { X509Certificate } from 'node:crypto'
import { MayflyError } from '../../../src/core/errors.ts'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import { systemClock } from '../../../src/system/clock.ts'

const [socket = '', mode = 'follow'] = process.argv.slice(2)
const channel = RpcChannel.connectUnix(socket, { clock: systemClock, metadata: { 'workload.spiffe.io': 'true' } })
const never = new AbortController().signal
let last = ''
for (;;) {
  try {
    for await (const { svids } of channel.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {})) {
      print({
        event: 'svids',
        ids: svids.map(({ spiffeId }) => spiffeId),
        hints: svids.map(({ hint }) => hint),
        serials: svids.map(({ x509Svid }) => new X509Certificate(x509Svid).serialNumber.toLowerCase()),
        notAfterMs: svids.map(({ x509Svid }) => Date.parse(new X509Certificate(x509Svid).validTo)),
        atMs: systemClock.nowMs(),
      })
      last = ''
      if (mode === 'once') process.exit(0)
    }
  } catch (error) {
    const code = error instanceof MayflyError ? error.code : 'INTERNAL'
    if (mode === 'once' || code !== last) print({ event: 'failed', code, status: error instanceof MayflyError ? error.status : '', message: String(error), atMs: systemClock.nowMs() })
    last = code
    if (mode === 'once') process.exit(0)
    await systemClock.sleep(20, never)
  }
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
