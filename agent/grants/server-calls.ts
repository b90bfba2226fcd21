import { methodOf } from '../../src/rpc/services.ts'
import { written } from '../../src/rpc/written.ts'
import type { ServerConnection } from '../sync/connection.ts'
import type { GrantServer } from './ports.ts'

const callLimitMs = 15_000
/** A step that waits for people may take as long as they do. */
const confirmLimitMs = 30 * 60_000

/** Asks the server over the agent's one connection. */
export function grantServerOver(connection: () => Pick<ServerConnection, 'grantCall'>): GrantServer {
  return {
    request: async (request, signal) => await connection().grantCall('Request', request, { signal, timeoutMs: callLimitMs }),
    activate: async (request, signal) => await connection().grantCall('Activate', request, { signal, timeoutMs: callLimitMs }),
    renew: async (request, signal) => await connection().grantCall('Renew', request, { signal, timeoutMs: callLimitMs }),
    leaseSteps: async (grantId, signal) => (await connection().grantCall('LeaseSteps', { grantId }, { signal, timeoutMs: callLimitMs })).steps,
    writeStep: (step) => methodOf('mayfly.v1.GrantControl', 'RecordSteps').requestSerialize({ steps: [step] }),
    recordSteps: async (steps, signal) => void (await connection().grantCall('RecordSteps', written({}, steps), { signal, timeoutMs: callLimitMs })),
    confirmStep: async (request, signal) => await connection().grantCall('ConfirmStep', request, { signal, timeoutMs: confirmLimitMs }),
    end: async (request, signal) => await connection().grantCall('End', request, { signal, timeoutMs: callLimitMs }),
    reportOutsider: async (report, signal) => void (await connection().grantCall('ReportOutsider', report, { signal, timeoutMs: callLimitMs })),
    show: async (grantId, signal) => await connection().grantCall('Show', { grantId }, { signal, timeoutMs: callLimitMs }),
  }
}
