import type { Random } from '../../src/ports/random.ts'
import type { NodeAttestorConfig } from './config.ts'
import { httpChallenge } from './http-challenge.ts'
import type { NodeAttestor } from './node-attestor.ts'
import { sshpop } from './sshpop.ts'
import { x509pop } from './x509pop.ts'

export interface ChosenDeps {
  readonly random: Random
  readonly readFile: (path: string) => Promise<string>
}

/** The one that the configuration names; `undefined` when it names none. */
export function chosenAttestor(config: NodeAttestorConfig, deps: ChosenDeps): NodeAttestor | undefined {
  if (config.x509pop !== undefined) return x509pop(config.x509pop, deps)
  if (config.httpChallenge !== undefined) return httpChallenge(config.httpChallenge)
  if (config.sshpop !== undefined) return sshpop(config.sshpop, deps)
  return undefined
}
