/**
 * The states of an authority, as SPIRE names them. `prepared`: in the bundle, signs nothing yet. `active`: signs; there is at most one. `old`: in the
 * bundle for what it signed. `tainted`: in the bundle, what it signed is replaced by force. `revoked`: out of the bundle.
 */
export type AuthorityState = 'prepared' | 'active' | 'old' | 'tainted' | 'revoked'
