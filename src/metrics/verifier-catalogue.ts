import type { Catalogue } from './catalogue.ts'

/** Figures of a service that verifies its peers, beside its own. */
export const verifierCatalogue: Catalogue = {
  mayfly_verifier_synced: { kind: 'gauge', help: '1 once a state of the revocation stream is known' },
  mayfly_verifier_revocation_age_seconds: { kind: 'gauge', help: 'How old what this verifier knows of revocations is; absent before the first state' },
  mayfly_verifier_clock_ahead_seconds: { kind: 'gauge', help: 'How far the clock of the stream\'s signer is ahead of this one at least' },
  mayfly_verifier_clock_behind_seconds: { kind: 'gauge', help: 'How far it is behind this one at least' },
  mayfly_verifier_epoch: { kind: 'gauge', help: 'Epoch of the revocation stream' },
  mayfly_verifier_seq: { kind: 'gauge', help: 'Last event of the revocation stream that this verifier has' },
  mayfly_verifier_source_connected: { kind: 'gauge', help: '1 while that source of the stream is connected', labels: ['source'] },
  mayfly_verifier_source_current: { kind: 'gauge', help: '1 for the source that is read', labels: ['source'] },
}
