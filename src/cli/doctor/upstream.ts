import { existsSync, statSync } from 'node:fs'
import type { UpstreamAuthorityStatus__Output as UpstreamAuthorityStatus } from '../../../proto/generated/mayfly/v1/UpstreamAuthorityStatus.ts'
import { whenText } from '../when.ts'
import { fail, ok, warn } from './finding.ts'
import type { Finding } from './finding.ts'

const dayMs = 86_400_000
const renewByMs = 14 * dayMs

/** The authority above the server's own: when it ends, and who may read its key. Nothing where each authority signs itself. */
export function upstreamFindings(upstream: UpstreamAuthorityStatus | null, nowMs: number): readonly Finding[] {
  return upstream === null ? [] : [endFinding(upstream, nowMs), ...keyFinding(upstream.keyPath)]
}

function endFinding({ notAfterMs, rootsNotAfterMs, problem }: UpstreamAuthorityStatus, nowMs: number): Finding {
  const check = 'server.upstream'
  if (problem !== '') return fail(check, problem, 'mend the files that ca.upstream names, then mayfly server reload; the one before signs until then')
  const endsMs = Math.min(notAfterMs, rootsNotAfterMs)
  const text = `${endsMs === notAfterMs ? 'it' : 'a root above it'} ends ${whenText(endsMs, nowMs)}`
  const todo = 'renew it and put the new certificate in the place of ca.upstream.certPath (docs/keys.md): the server looks each minute'
  if (endsMs - nowMs < dayMs) return fail(check, text, todo)
  return endsMs - nowMs < renewByMs ? warn(check, text, todo) : ok(check, text)
}

function keyFinding(path: string): readonly Finding[] {
  return secretFinding('server.upstream_key', path, 'whoever could read it can sign for the whole trust domain: exchange it')
}

/** Who may read a file with a secret. On the server's machine alone: elsewhere there is no such file. */
export function secretFinding(check: string, path: string, otherwise: string): readonly Finding[] {
  if (path === '' || !existsSync(path)) return []
  const { mode } = statSync(path)
  return [(mode & 0o077) === 0 ? ok(check, `${path} is its owner's alone`) : fail(check, `${path} can be read by others`, `chmod 0600 ${path}; ${otherwise}`)]
}
