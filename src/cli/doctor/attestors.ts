import type { NodeAttestorStatus__Output as NodeAttestorStatus } from '../../../proto/generated/mayfly/v1/NodeAttestorStatus.ts'
import { whenText } from '../when.ts'
import { fail, ok, warn } from './finding.ts'
import type { Finding } from './finding.ts'

const check = 'server.attestors'
const soonMs = 30 * 86_400_000

/** How nodes may prove themselves, and what hinders them. One finding: the worst. */
export function attestorsFinding(attestors: readonly NodeAttestorStatus[], nowMs: number): Finding {
  const names = attestors.length === 0 ? 'this server does not say' : attestors.map(({ type }) => type).join(', ')
  const broken = attestors.find(({ problem }) => problem !== '')
  if (broken !== undefined) return fail(check, `${broken.type}: ${broken.problem}`, 'no node can attest by it until the file is mended; it is read again then')
  const ending = attestors.filter(({ authoritiesNotAfterMs }) => authoritiesNotAfterMs > 0).toSorted((left, right) => left.authoritiesNotAfterMs - right.authoritiesNotAfterMs)[0]
  if (ending === undefined || ending.authoritiesNotAfterMs - nowMs > soonMs) return ok(check, names)
  const text = `${ending.type}: the last of its authorities ends ${whenText(ending.authoritiesNotAfterMs, nowMs)}`
  return ending.authoritiesNotAfterMs <= nowMs ? fail(check, text, 'nodes cannot attest: put the authorities that follow into its file') : warn(check, text, 'put the authorities that follow into its file, before machines have certificates of them')
}
