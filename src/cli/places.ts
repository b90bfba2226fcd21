import { resolve } from 'node:path'

import type { Context } from './context.ts'

/** What of the options decides where things are. */
export interface PlaceOptions {
  readonly data?: string | undefined
  readonly 'server-socket'?: string | undefined
  readonly 'agent-socket'?: string | undefined
  readonly socket?: string | undefined
}

/** Files and sockets of one installation; absolute paths. */
export interface Places {
  readonly data: string
  readonly serverData: string
  readonly agentData: string
  readonly serverSocket: string
  readonly agentSocket: string
  readonly workloadSocket: string
}

/** Options first, then the environment, then the folder of `mayfly dev`. */
export function placesOf(options: PlaceOptions, { env, cwd }: Pick<Context, 'env' | 'cwd'>): Places {
  const data = resolve(cwd, options.data ?? env['MAYFLY_DATA'] ?? '.mayfly')
  const within = (...parts: readonly string[]): string => resolve(data, ...parts)
  return {
    data,
    serverData: within('server'),
    agentData: within('agent'),
    serverSocket: resolve(cwd, options['server-socket'] ?? env['MAYFLY_SERVER_SOCKET'] ?? within('server', 'admin.sock')),
    agentSocket: resolve(cwd, options['agent-socket'] ?? env['MAYFLY_AGENT_SOCKET'] ?? within('agent', 'admin.sock')),
    workloadSocket: resolve(cwd, socketPath(options.socket ?? env['SPIFFE_ENDPOINT_SOCKET']) ?? within('agent', 'workload.sock')),
  }
}

/** The path of `unix:///run/x.sock`, `unix:/run/x.sock` or a path as it is. */
function socketPath(text: string | undefined): string | undefined {
  return text?.replace(/^unix:(\/\/)?(?=\/)/, '')
}
