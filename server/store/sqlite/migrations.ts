/** `mfly`: marks a file as a store of mayfly (SQLite's application_id). */
export const applicationId = 0x6d_66_6c_79

/**
 * Forward-only migrations; the file's version (SQLite's user_version) is how many it has had. Never change one that was released: append.
 * Every table but `journal` is a projection that replaying the journal gives again, row by row.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE journal (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, payload TEXT NOT NULL, prev_hash BLOB NOT NULL
  ) STRICT;

  CREATE TABLE domain (
    trust_domain TEXT PRIMARY KEY, shard INTEGER NOT NULL, epoch INTEGER NOT NULL, created_at_ms INTEGER NOT NULL,
    bundle_sequence INTEGER NOT NULL, pruned_before_ms INTEGER NOT NULL
  ) STRICT;

  -- body: the entry as JSON without its 'disabled', which is a column of its own
  CREATE TABLE entries (
    id TEXT PRIMARY KEY, spiffe_id TEXT NOT NULL, parent_id TEXT NOT NULL, similar BLOB NOT NULL UNIQUE, selector_count INTEGER NOT NULL,
    federates_count INTEGER NOT NULL, hint TEXT NOT NULL, downstream INTEGER NOT NULL, owner TEXT NOT NULL, expires_at INTEGER NOT NULL,
    disabled INTEGER NOT NULL, body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX entries_spiffe_id ON entries (spiffe_id, id);
  CREATE INDEX entries_parent ON entries (parent_id, id);
  CREATE INDEX entries_owner ON entries (owner, id) WHERE owner <> '';
  CREATE INDEX entries_hint ON entries (hint, id) WHERE hint <> '';
  CREATE TABLE entry_selectors (selector TEXT NOT NULL, entry_id TEXT NOT NULL, PRIMARY KEY (selector, entry_id)) STRICT, WITHOUT ROWID;
  CREATE TABLE entry_federates (trust_domain TEXT NOT NULL, entry_id TEXT NOT NULL, PRIMARY KEY (trust_domain, entry_id)) STRICT, WITHOUT ROWID;

  -- every SPIFFE ID that an entry has (current = 1) or had while the ledger may still hold credentials of it
  CREATE TABLE entry_ids (spiffe_id TEXT NOT NULL, entry_id TEXT NOT NULL, current INTEGER NOT NULL, PRIMARY KEY (spiffe_id, entry_id)) STRICT, WITHOUT ROWID;
  CREATE INDEX entry_ids_past ON entry_ids (entry_id) WHERE current = 0;

  CREATE TABLE join_tokens (
    hash BLOB PRIMARY KEY, agent_id TEXT NOT NULL, alias_id TEXT, expires_at_ms INTEGER NOT NULL, used_at_ms INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE agents (
    id TEXT PRIMARY KEY, attestation_type TEXT NOT NULL, selectors TEXT NOT NULL, selector_count INTEGER NOT NULL, serial TEXT NOT NULL,
    not_after_ms INTEGER NOT NULL, banned INTEGER NOT NULL, can_reattest INTEGER NOT NULL, version TEXT NOT NULL, attested_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE agent_selectors (selector TEXT NOT NULL, agent_id TEXT NOT NULL, PRIMARY KEY (selector, agent_id)) STRICT, WITHOUT ROWID;

  -- the ledger: a row for each credential, in the order of its serial
  CREATE TABLE ledger (
    serial BLOB PRIMARY KEY, kind TEXT NOT NULL, spiffe_id TEXT NOT NULL, entry_id TEXT, agent_id TEXT, owner TEXT NOT NULL, grant_id TEXT,
    root_grant_id TEXT, public_key_hash BLOB NOT NULL, authority_id BLOB NOT NULL, not_before_ms INTEGER NOT NULL, not_after_ms INTEGER NOT NULL,
    issued_at_ms INTEGER NOT NULL, state TEXT NOT NULL, ended_at_ms INTEGER, cause TEXT, reason TEXT
  ) STRICT, WITHOUT ROWID;
  -- by the ID of an entry's credentials: through entry_ids, which has a row for each ID of each entry and not for each credential
  CREATE INDEX ledger_spiffe_id ON ledger (spiffe_id) WHERE entry_id IS NULL;
  CREATE INDEX ledger_entry ON ledger (entry_id) WHERE entry_id IS NOT NULL;
  CREATE INDEX ledger_agent ON ledger (agent_id) WHERE agent_id IS NOT NULL;
  CREATE INDEX ledger_owner ON ledger (owner) WHERE owner <> '';
  CREATE INDEX ledger_grant ON ledger (grant_id) WHERE grant_id IS NOT NULL;
  CREATE INDEX ledger_root_grant ON ledger (root_grant_id) WHERE root_grant_id IS NOT NULL;
  CREATE INDEX ledger_public_key ON ledger (public_key_hash);
  CREATE INDEX ledger_authority ON ledger (authority_id);
  CREATE INDEX ledger_not_after ON ledger (not_after_ms);
  CREATE INDEX ledger_reserved ON ledger (serial) WHERE state = 'reserved';
  -- how many indices of a (minute, shard) are given out
  CREATE TABLE buckets (minute INTEGER NOT NULL, shard INTEGER NOT NULL, next_index INTEGER NOT NULL, PRIMARY KEY (minute, shard)) STRICT, WITHOUT ROWID;
  -- the revocation set: 1 superseded, 2 revoked, 3 both
  CREATE TABLE bits (
    minute INTEGER NOT NULL, shard INTEGER NOT NULL, position INTEGER NOT NULL, bits INTEGER NOT NULL, PRIMARY KEY (minute, shard, position)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE denied_keys (hash BLOB PRIMARY KEY, cause TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE disabled_targets (
    kind TEXT NOT NULL, name TEXT NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (kind, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE authorities (
    id BLOB PRIMARY KEY, certificate BLOB NOT NULL, key_name TEXT NOT NULL, state TEXT NOT NULL, not_before_ms INTEGER NOT NULL,
    not_after_ms INTEGER NOT NULL, prepared_at_ms INTEGER NOT NULL, activated_at_ms INTEGER
  ) STRICT, WITHOUT ROWID;
  -- what the stream says of authorities; outlives their removal from the bundle
  CREATE TABLE stream_authorities (id BLOB PRIMARY KEY, revoked INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE stream (seq INTEGER PRIMARY KEY, event BLOB NOT NULL, chain_hash BLOB NOT NULL, at_ms INTEGER NOT NULL) STRICT;
  `,
  `
  CREATE TABLE verifiers (
    instance TEXT PRIMARY KEY, spiffe_id TEXT NOT NULL, class TEXT NOT NULL, software TEXT NOT NULL, agent_id TEXT NOT NULL, registered_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  -- where credentials of the ledger were accepted, by the SPIFFE ID of the verifier
  CREATE TABLE uses (
    serial BLOB NOT NULL, verifier TEXT NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (serial, verifier)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- grant trees that have ended; streamed: the revocation stream holds the prefix closed through this minute
  CREATE TABLE closed_prefixes (prefix TEXT PRIMARY KEY, minute INTEGER NOT NULL, streamed INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX closed_prefixes_streamed ON closed_prefixes (minute) WHERE streamed = 1;
  `,
  `
  -- what was shown to a store that is behind its own past: seen_epoch 0 while nothing was
  ALTER TABLE domain ADD COLUMN seen_epoch INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE domain ADD COLUMN seen_seq INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE domain ADD COLUMN seen_chain_hash TEXT NOT NULL DEFAULT '';
  ALTER TABLE domain ADD COLUMN seen_by TEXT NOT NULL DEFAULT '';
  ALTER TABLE domain ADD COLUMN seen_at_ms INTEGER NOT NULL DEFAULT 0;
  -- shards of earlier epochs, and when the last credential of each has expired
  CREATE TABLE past_shards (shard INTEGER PRIMARY KEY, free_at_ms INTEGER NOT NULL) STRICT;
  -- by_restore: '' or whether agents come back with what it signed; vouchers: JSON array of base64
  ALTER TABLE authorities ADD COLUMN by_restore TEXT NOT NULL DEFAULT '';
  ALTER TABLE authorities ADD COLUMN vouchers TEXT NOT NULL DEFAULT '[]';
  `,
  `
  -- body: the grant as JSON; live: not denied, lapsed or ended
  CREATE TABLE grants (
    id TEXT PRIMARY KEY, spiffe_id TEXT NOT NULL UNIQUE, root_id TEXT NOT NULL, parent_id TEXT NOT NULL, role TEXT NOT NULL, owner TEXT NOT NULL, agent_id TEXT NOT NULL,
    requester TEXT NOT NULL, instance TEXT NOT NULL, state TEXT NOT NULL, live INTEGER NOT NULL, requested_at_ms INTEGER NOT NULL, lapses_at_ms INTEGER NOT NULL,
    deadline_ms INTEGER NOT NULL, ended_at_ms INTEGER NOT NULL, body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX grants_live ON grants (id) WHERE live = 1;
  CREATE INDEX grants_owner ON grants (owner, live, id);
  CREATE INDEX grants_role ON grants (role, live, id);
  CREATE INDEX grants_agent ON grants (agent_id, live, id);
  CREATE INDEX grants_root ON grants (root_id);
  CREATE INDEX grants_parent ON grants (parent_id) WHERE parent_id <> '';
  CREATE INDEX grants_instance ON grants (instance);
  CREATE INDEX grants_due ON grants (deadline_ms) WHERE live = 1 AND deadline_ms > 0;
  CREATE INDEX grants_waiting ON grants (lapses_at_ms) WHERE state IN ('requested', 'pending_approval', 'approved');
  CREATE INDEX grants_over ON grants (ended_at_ms) WHERE live = 0;
  CREATE TABLE steps (seq INTEGER PRIMARY KEY, grant_id TEXT NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE INDEX steps_grant ON steps (grant_id, seq);
  -- asked: JSON of what policy was asked, empty when it was not kept
  CREATE TABLE decisions (seq INTEGER PRIMARY KEY, grant_id TEXT NOT NULL, at_ms INTEGER NOT NULL, asked TEXT NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE INDEX decisions_grant ON decisions (grant_id, seq);
  CREATE TABLE roles (
    name TEXT PRIMARY KEY, spiffe_id TEXT NOT NULL, owner TEXT NOT NULL, version INTEGER NOT NULL, deleted INTEGER NOT NULL, body TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX roles_spiffe_id ON roles (spiffe_id);
  CREATE TABLE owners (name TEXT PRIMARY KEY, contact TEXT NOT NULL, removed INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE people (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE person_keys (ssh_key TEXT PRIMARY KEY, name TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX person_keys_name ON person_keys (name);
  -- signatures that are good once; one person signs one thing once
  CREATE TABLE spent_signatures (hash BLOB PRIMARY KEY, approver TEXT NOT NULL, signed_hash TEXT NOT NULL, UNIQUE (approver, signed_hash)) STRICT, WITHOUT ROWID;
  CREATE TABLE policies (version INTEGER PRIMARY KEY, hash TEXT NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE INDEX policies_hash ON policies (hash, version);
  CREATE TABLE exceptions (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  -- ends of targets of which pieces are left to do
  CREATE TABLE unfinished_ends (
    kind TEXT NOT NULL, name TEXT NOT NULL, cause TEXT NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (kind, name)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- what an intermediate authority hangs on: JSON of arrays of base64, empty for a self-signed one
  ALTER TABLE authorities ADD COLUMN upstream TEXT NOT NULL DEFAULT '';
  `,
  `
  -- the process that asked, also after another was bound
  ALTER TABLE grants ADD COLUMN asker TEXT NOT NULL DEFAULT '';
  UPDATE grants SET asker = asked.instance
    FROM (SELECT json_extract(payload, '$.grant.id') AS id, json_extract(payload, '$.grant.instance') AS instance FROM journal WHERE kind = 'grant.requested') AS asked WHERE asked.id = grants.id;
  CREATE INDEX grants_asker ON grants (asker);
  `,
  `
  -- of other trust domains; body: JSON, byte strings in base64
  CREATE TABLE federated_bundles (trust_domain TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  -- where credentials of the ledger were shown and refused, because they had been superseded or revoked
  CREATE TABLE refused_uses (
    serial BLOB NOT NULL, verifier TEXT NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (serial, verifier)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- who owned it when it was requested, also after a transfer: what its approvers signed names them
  ALTER TABLE grants ADD COLUMN asked_owner TEXT NOT NULL DEFAULT '';
  UPDATE grants SET asked_owner = asked.owner
    FROM (SELECT json_extract(payload, '$.grant.id') AS id, json_extract(payload, '$.grant.owner') AS owner FROM journal WHERE kind = 'grant.requested') AS asked WHERE asked.id = grants.id;
  `,
  `
  -- rows of the ledger that were written down and are not known to have been handed out: state says the rest
  CREATE TABLE unreleased (serial BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
  INSERT INTO unreleased SELECT serial FROM ledger WHERE state = 'reserved';
  DROP INDEX ledger_reserved;
  UPDATE ledger SET state = 'released' WHERE state = 'reserved';
  -- the order of the serials is that of notAfter
  DROP INDEX ledger_not_after;
  `,
  `
  -- the first octets find a key as well, in half the pages
  DROP INDEX ledger_public_key;
  CREATE INDEX ledger_public_key ON ledger (substr(public_key_hash, 1, 8));
  `,
]
