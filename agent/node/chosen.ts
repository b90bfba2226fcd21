import type { Random } from '../../src/ports/random.ts'
import type { NodeAttestorConfig } from './config.ts'
import type { NodeAttestor } from './node-attestor.ts'

export interface ChosenDeps {
  readonly random: Random
  readonly readFile: (path: string) => Promise<string>
}

/** The one that the configuration names, loaded only then; `undefined` when it names none. */
export async function chosenAttestor(config: NodeAttestorConfig, deps: ChosenDeps): Promise<NodeAttestor | undefined> {
  if (config.x509pop !== undefined) return (await import('./x509pop.ts')).x509pop(config.x509pop, deps)
  if (config.httpChallenge !== undefined) return (await import('./http-challenge.ts')).httpChallenge(config.httpChallenge)
  if (config.sshpop !== undefined) return (await import('./sshpop.ts')).sshpop(config.sshpop, deps)
  return undefined
}
