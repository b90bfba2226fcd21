// Parts of an agent that are loaded only where its configuration asks for them.
import type { AgentConfig } from './config.ts'
import type { AgentDeps } from './deps.ts'
import type { AgentMetrics } from './metrics.ts'
import type { AgentTracing } from './tracing.ts'

/** Of an agent that is to be measured. */
export async function metricsOf({ metricsAddress }: AgentConfig, { clock, version }: AgentDeps): Promise<AgentMetrics | undefined> {
  if (metricsAddress === undefined) return undefined
  const { AgentMetrics } = await import('./metrics.ts')
  return new AgentMetrics({ clock, version })
}

/** Of an agent that is to be traced. */
export async function tracingOf({ tracing }: AgentConfig, { clock, random, log, version }: AgentDeps): Promise<AgentTracing | undefined> {
  if (tracing === undefined) return undefined
  const { AgentTracing } = await import('./tracing.ts')
  return new AgentTracing(tracing, { clock, random, log, version })
}
