import { join } from 'node:path'
import { formatAddress } from '../src/config/fields.ts'
import { toHex } from '../src/core/bytes.ts'
import type { Admins } from './api/admins.ts'
import type { Standing } from './api/authorization.ts'
import { EntryOperations } from './api/entry-operations.ts'
import { Privileged } from './api/privileged.ts'
import { JoinTokens } from './attest/join-token.ts'
import { upstreamStatus } from './ca/upstream/status.ts'
import type { ServerConfig } from './config.ts'
import type { ServerDeps } from './deps.ts'
import type { ServerLimits } from './limits.ts'
import { attestorsOf } from './optional.ts'
import type { ServerParts } from './parts.ts'
import { writeBackup } from './recovery/backup.ts'
import type { ServicesDeps } from './services.ts'

/** What the services are given of the parts. Settings that may change while the server runs are read anew each time. */
export async function serviceDeps(config: ServerConfig, deps: ServerDeps, parts: ServerParts, { standing, admins, listeningOn }: { readonly standing: Standing; readonly admins: Admins; readonly listeningOn: string }): Promise<ServicesDeps> {
  const { clock, random, log, version } = deps
  const { trustDomain } = config
  const { live, store, registry, authorities, issuer, streamSigner, revocations, grants, svid } = parts
  const limits = (): ServerLimits => live.current.limits
  const { maxTtlMs, maxDnsNames } = parts.profiles.svids['x509-svid']
  const rules = { trustDomain, maxTtlSeconds: maxTtlMs / 1_000, maxDnsNames, adminUids: new Set(config.dev ? [] : admins.uids) }
  const privileged = new Privileged({ entries: registry.entries, admins, standing })
  const joinTokens = new JoinTokens({ store, clock, random, trustDomain })
  const operations = new EntryOperations({ store, clock, grantTimeMs: () => grants.nowMs(), random, log, rules, privileged, limits })
  return {
    store,
    clock,
    random,
    log,
    trustDomain,
    registry,
    federated: parts.federated,
    rules,
    privileged,
    admins,
    operations,
    issuer,
    downstream: parts.downstream,
    joinTokens,
    attestors: [joinTokens, ...(await attestorsOf(config, deps))],
    limits,
    live,
    get agentSvidTtlMs() {
      return live.current.agentSvidTtlMs
    },
    get x509SvidTtlMs() {
      return live.current.x509SvidTtlMs
    },
    acknowledgements: parts.acknowledgements,
    onAcknowledged: () => authorities.reconsider(),
    bundles: authorities,
    authorities,
    crls: async () => await parts.crls.bridge(),
    isServerKey: (hash) => streamSigner.current !== undefined && toHex(streamSigner.current.keyId) === hash,
    revocations,
    verifiers: parts.verifiers,
    grants,
    policies: parts.policies,
    approvals: parts.approvals,
    reevaluate: async (...asked) => await grants.reevaluate(...asked),
    grantTimeMs: () => grants.nowMs(),
    svidChain: () => svid.identity.certificateChain,
    logLevels: deps.logLevels,
    launchLevel: config.logLevel,
    standing,
    rollback: parts.rollback,
    vouchers: () => authorities.vouchers(),
    upstreamStatus: () => upstreamStatus(authorities, config),
    lookAtFiles: async () => {
      const { changed, problem } = await authorities.lookAtUpstream()
      return { changed: changed ? ['ca.upstream'] : [], problems: problem === undefined ? [] : [problem] }
    },
    paths: { dataDir: config.dataDir, pinFile: config.pkcs11?.pinFile },
    backUp: async (to) => await writeBackup(to, { store, keysFolder: join(config.dataDir, 'keys'), clock, random, version }),
    version,
    get agentAddress() {
      return live.current.advertise === undefined ? listeningOn : formatAddress(live.current.advertise)
    },
    startedAtMs: parts.startedAtMs,
    figures: () => ({ csrChecks: issuer.csrChecks, signatures: issuer.signatures, rssBytes: deps.rssBytes(), streamSeq: revocations.head.seq }),
  }
}
