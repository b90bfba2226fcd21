// Parts of a server that are loaded only where its configuration asks for them.
import type { NodeAttestor } from './attest/node-attestor.ts'
import type { ServerConfig } from './config.ts'
import type { ServerDeps } from './deps.ts'
import type { ServerMetrics } from './metrics.ts'
import type { ServerTracing } from './tracing.ts'

/** Of a server that is to be measured. */
export async function metricsOf({ metricsAddress }: ServerConfig, { clock, version }: ServerDeps): Promise<ServerMetrics | undefined> {
  if (metricsAddress === undefined) return undefined
  const { ServerMetrics } = await import('./metrics.ts')
  return new ServerMetrics({ clock, version })
}

/** Of a server that is to be traced. */
export async function tracingOf({ tracing, trustDomain }: ServerConfig, { clock, random, log, version }: ServerDeps): Promise<ServerTracing | undefined> {
  if (tracing === undefined) return undefined
  const { ServerTracing } = await import('./tracing.ts')
  return new ServerTracing(tracing, { clock, random, log, version, trustDomain })
}

/** The ways for nodes to prove themselves that the configuration names. */
export async function attestorsOf({ nodeAttestors, trustDomain }: ServerConfig, { clock, random, files, resolve }: ServerDeps): Promise<readonly NodeAttestor[]> {
  if (Object.values(nodeAttestors).every((each) => each === undefined)) return []
  const { chosenAttestors } = await import('./attest/chosen.ts')
  return await chosenAttestors(nodeAttestors, { clock, random, trustDomain, readFileBounded: files.readFileBounded, resolve })
}
