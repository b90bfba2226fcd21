import { define, dataFolder } from '../command.ts'
import type { Command } from '../command.ts'
import { connectWorkloadApi } from '../connection.ts'
import { svidToJson, watchSvids } from '../svids.ts'
import { clockText, whenText } from '../when.ts'

export const command: Command = define({
  about: 'Shows the X.509-SVIDs of this very process, again with every change, until Ctrl-C.',
  options: {
    socket: { type: 'string', value: 'PATH', help: 'the Workload API; $SPIFFE_ENDPOINT_SOCKET, else DATA/agent/workload.sock' },
    ...dataFolder,
  },
  examples: ['mayfly x509 watch', 'mayfly x509 watch --json'],
  async run({ options }, context) {
    const { output, signal, clock } = context
    using workloadApi = await connectWorkloadApi(options, context)
    const known = new Map<string, string>()
    for await (const svids of watchSvids(workloadApi, signal)) {
      if (options.json) {
        output.json({ atMs: clock.nowMs(), svids: svids.map((svid) => svidToJson(svid)) })
        continue
      }
      const now = new Set(svids.map((svid) => svid.spiffeId))
      for (const svid of svids) {
        const before = known.get(svid.spiffeId)
        if (before === svid.serial) continue
        output.line(`${clockText(clock.nowMs())}  ${before === undefined ? 'received' : 'rotated '}  ${svid.spiffeId}  ${svid.serial}  ends ${whenText(svid.leaf.notAfterMs, clock.nowMs())}`)
        known.set(svid.spiffeId, svid.serial)
      }
      for (const id of known.keys()) {
        if (now.has(id)) continue
        output.line(`${clockText(clock.nowMs())}  withdrawn ${id}`)
        known.delete(id)
      }
    }
  },
})
