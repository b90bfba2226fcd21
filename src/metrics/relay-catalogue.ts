import { commonCatalogue } from './catalogue.ts'
import type { Catalogue } from './catalogue.ts'

/** Figures of a relay. */
export const relayCatalogue: Catalogue = {
  ...commonCatalogue,
  mayfly_relay_revocation_epoch: { kind: 'gauge', help: 'Epoch of the revocation stream' },
  mayfly_relay_revocation_seq: { kind: 'gauge', help: 'Last event of the revocation stream that this relay has' },
  mayfly_relay_revocation_age_seconds: { kind: 'gauge', help: 'How old what this relay knows of revocations is; absent before the first state' },
  mayfly_relay_readers: { kind: 'gauge', help: 'Verifiers and relays that read the stream here' },
  mayfly_relay_verifiers: { kind: 'gauge', help: 'Verifiers whose reports come through here' },
  mayfly_relay_depth: { kind: 'gauge', help: 'Relays between this one and the server' },
  mayfly_relay_upstream_connected: { kind: 'gauge', help: '1 while that upstream is connected', labels: ['upstream'] },
  mayfly_relay_upstream_current: { kind: 'gauge', help: '1 for the upstream that is read', labels: ['upstream'] },
  mayfly_relay_upstream_lag_seconds: { kind: 'gauge', help: 'How old the newest frame of that upstream is; absent when it brought nothing', labels: ['upstream'] },
}
