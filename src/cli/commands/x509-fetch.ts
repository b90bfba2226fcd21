import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'

import { define, dataFolder } from '../command.ts'
import type { Command } from '../command.ts'
import { connectWorkloadApi } from '../connection.ts'
import { fetchSvids, pemOf, printSvid, svidToJson } from '../svids.ts'
import { svidPaths, writeFederated, writeSvid } from '../write-svid.ts'

export const command: Command = define({
  about: 'Asks the Workload API for the X.509-SVIDs of this very process, as any workload would.',
  options: {
    write: { type: 'string', value: 'DIR', help: 'write svid.N.pem, key.N.pem (mode 0600) and bundle.N.pem there, and federated.<trust domain>.pem of each that it federates with' },
    socket: { type: 'string', value: 'PATH', help: 'the Workload API; $SPIFFE_ENDPOINT_SOCKET, else DATA/agent/workload.sock' },
    ...dataFolder,
  },
  examples: ['mayfly x509 fetch', 'mayfly x509 fetch --write /tmp/id', 'mayfly x509 fetch --json | jq -r .serial'],
  async run({ options }, context) {
    const { output, signal, clock } = context
    using workloadApi = await connectWorkloadApi(options, context)
    const svids = await fetchSvids(workloadApi, signal)
    const folder = options.write === undefined ? undefined : resolve(context.cwd, options.write)
    if (folder !== undefined) await mkdir(folder, { recursive: true, mode: 0o700 })
    if (folder !== undefined) await writeFederated(folder, svids[0]?.federated ?? {})
    for (const [at, svid] of svids.entries()) {
      if (folder !== undefined) await writeSvid(svidPaths(folder, `.${at}`), pemOf(svid))
      if (options.json) {
        output.json(svidToJson(svid))
        continue
      }
      if (at > 0) output.line()
      printSvid(output, svid, clock.nowMs())
      if (folder !== undefined) output.line(`written to ${svidPaths(folder, `.${at}`).svid} and beside it`)
    }
  },
})
