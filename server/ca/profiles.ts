import { MayflyError } from '../../src/core/errors.ts'
import { parseProfile, type CertificateProfile, type ProfileKind } from '../../src/core/profile.ts'
import agentSvid from '../../certs/profiles/agent-svid.json' with { type: 'json' }
import authority from '../../certs/profiles/authority.json' with { type: 'json' }
import downstreamAuthority from '../../certs/profiles/downstream-authority.json' with { type: 'json' }
import grant from '../../certs/profiles/grant.json' with { type: 'json' }
import serverSvid from '../../certs/profiles/server-svid.json' with { type: 'json' }
import streamSigner from '../../certs/profiles/stream-signer.json' with { type: 'json' }
import x509Svid from '../../certs/profiles/x509-svid.json' with { type: 'json' }

export type SvidProfileName = 'x509-svid' | 'grant' | 'agent-svid' | 'server-svid'

/** Everything that this CA may sign. */
export interface Profiles {
  readonly svids: Readonly<Record<SvidProfileName, CertificateProfile>>
  readonly authority: CertificateProfile
  readonly downstreamAuthority: CertificateProfile
  readonly streamSigner: CertificateProfile
}

/** The profiles of `certs/profiles`, checked. @throws {MayflyError} PROFILE_INVALID */
export function loadProfiles(): Profiles {
  return Object.freeze({
    svids: Object.freeze({
      'x509-svid': checked('svid', x509Svid),
      grant: checked('svid', grant),
      'agent-svid': checked('svid', agentSvid),
      'server-svid': checked('svid', serverSvid),
    }),
    authority: checked('authority', authority),
    downstreamAuthority: checked('downstream-authority', downstreamAuthority),
    streamSigner: checked('stream-signer', streamSigner),
  })
}

function checked(kind: ProfileKind, raw: unknown): CertificateProfile {
  const profile = parseProfile(raw)
  if (profile.kind !== kind) throw new MayflyError('PROFILE_INVALID', `profile ${profile.name}: /kind: not ${kind}`)
  return profile
}
