import type { ActivateGrantRequest } from '../../proto/generated/mayfly/v1/ActivateGrantRequest.ts'
import type { Grant__Output } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { GrantCredential__Output } from '../../proto/generated/mayfly/v1/GrantCredential.ts'
import type { ProbeResult } from '../../proto/generated/mayfly/v1/ProbeResult.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { maxAttestedSelectors } from '../../src/core/grant/limits.ts'
import { formatSelector } from '../../src/core/selector.ts'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import type { Attestation } from '../attest/attestation.ts'
import type { WorkloadAttestor } from '../attest/attestor.ts'
import type { Caller } from '../attest/caller.ts'
import { momentOf } from '../rotation/moment.ts'
import type { Standing } from '../rotation/standing.ts'
import { WorkloadSvid } from '../rotation/workload-svid.ts'
import { bufferOf } from '../sync/wire.ts'
import type { Binding } from './binding.ts'
import type { Probes } from './probes.ts'

export interface CredentialRequestDeps {
  readonly clock: Clock
  readonly attestor: WorkloadAttestor
  readonly probes: Probes
  standing(svid: WorkloadSvid): Standing
  /** Names a process on this node for ever. */
  instanceOf(process: Pick<Caller, 'pid' | 'startTicks'>): string
}

/** What the server was told when a credential of a grant was asked for. */
export interface Asked {
  readonly selectors: readonly string[]
  readonly probes: readonly ProbeResult[]
  readonly atBootMs: number
}

/** What has to be asked for, and the server is told of whoever asks for a grant: roles and policies are the server's. Not the environment of a container, which may hold secrets; no role may ask for it. */
export const grantKinds: ReadonlySet<string> = new Set(['unix:sha256', 'docker:label', 'docker:image_id', 'docker:image_config_digest'])

/** The server takes so many and no more: a container may have labels without end, and they come last. */
export function toldOf({ selectors }: Pick<Attestation, 'selectors'>): string[] {
  return selectors.slice(0, maxAttestedSelectors).map(formatSelector)
}

/** A new key, and what the server is told about the bound process as it is now, or was last when a cgroup has outlived it. @param before the selectors of last time; none at first */
export async function askedFor(grant: Grant__Output, binding: Binding, progressSecondsAgo: number, before: readonly string[], deps: CredentialRequestDeps): Promise<{ readonly request: ActivateGrantRequest; readonly key: PrivateKey; readonly asked: Asked }> {
  const probes = await deps.probes.look()
  const { subject } = binding
  const outlived = binding.kind === 'cgroup' && before.length > 0 && !subject.alive()
  const selectors = outlived ? before : toldOf(await deps.attestor.attest(subject, grantKinds))
  const asked = { selectors, probes, atBootMs: deps.clock.bootMs() }
  const key = PrivateKey.generate()
  const request: ActivateGrantRequest = {
    grantId: grant.id,
    csr: bufferOf(buildCsr(key)),
    selectors: [...asked.selectors],
    instance: deps.instanceOf(subject),
    binding: binding.kind,
    tier: binding.tier,
    probes: [...probes],
    progressSecondsAgo,
  }
  return { request, key, asked }
}

/** @throws {MayflyError} CERTIFICATE_INVALID the server signed something else than was asked for */
export function svidOf(grant: Grant__Output, key: PrivateKey, { chain }: GrantCredential__Output, deps: CredentialRequestDeps): WorkloadSvid {
  const svid = WorkloadSvid.of({ entryId: grant.id, revision: 0, spiffeId: parseSpiffeId(grant.spiffeId), key }, chain, momentOf(deps.clock))
  if (deps.standing(svid) !== 'ended') return svid
  svid.wipe()
  throw new MayflyError('CERTIFICATE_INVALID', 'the server signed an SVID that the bundle or the revocations refuse')
}
