// Original file: proto/mayfly/v1/admin.proto

import type { AuthorityStatus as _mayfly_v1_AuthorityStatus, AuthorityStatus__Output as _mayfly_v1_AuthorityStatus__Output } from '../../mayfly/v1/AuthorityStatus.ts';
import type { RolledBack as _mayfly_v1_RolledBack, RolledBack__Output as _mayfly_v1_RolledBack__Output } from '../../mayfly/v1/RolledBack.ts';
import type { GrantCounts as _mayfly_v1_GrantCounts, GrantCounts__Output as _mayfly_v1_GrantCounts__Output } from '../../mayfly/v1/GrantCounts.ts';
import type { UpstreamAuthorityStatus as _mayfly_v1_UpstreamAuthorityStatus, UpstreamAuthorityStatus__Output as _mayfly_v1_UpstreamAuthorityStatus__Output } from '../../mayfly/v1/UpstreamAuthorityStatus.ts';
import type { NodeAttestorStatus as _mayfly_v1_NodeAttestorStatus, NodeAttestorStatus__Output as _mayfly_v1_NodeAttestorStatus__Output } from '../../mayfly/v1/NodeAttestorStatus.ts';
import type { Long } from '@grpc/proto-loader';

export interface ServerStatus {
  'version'?: (string);
  'trustDomain'?: (string);
  'agentAddress'?: (string);
  'startedAtMs'?: (number | string | Long);
  'authorities'?: (_mayfly_v1_AuthorityStatus)[];
  'entries'?: (number | string | Long);
  'agents'?: (number | string | Long);
  'agentsConnected'?: (number | string | Long);
  'liveCredentials'?: (number | string | Long);
  'epoch'?: (number | string | Long);
  'streamSeq'?: (number | string | Long);
  'journalSeq'?: (number | string | Long);
  'commits'?: (number | string | Long);
  'csrChecks'?: (number | string | Long);
  'signatures'?: (number | string | Long);
  'rssBytes'?: (number | string | Long);
  'bundleDigest'?: (string);
  'rolledBack'?: (_mayfly_v1_RolledBack | null);
  'grants'?: (_mayfly_v1_GrantCounts | null);
  'upstream'?: (_mayfly_v1_UpstreamAuthorityStatus | null);
  'nodeAttestors'?: (_mayfly_v1_NodeAttestorStatus)[];
  'dataDir'?: (string);
  'pinPath'?: (string);
}

export interface ServerStatus__Output {
  'version': (string);
  'trustDomain': (string);
  'agentAddress': (string);
  'startedAtMs': (number);
  'authorities': (_mayfly_v1_AuthorityStatus__Output)[];
  'entries': (number);
  'agents': (number);
  'agentsConnected': (number);
  'liveCredentials': (number);
  'epoch': (number);
  'streamSeq': (number);
  'journalSeq': (number);
  'commits': (number);
  'csrChecks': (number);
  'signatures': (number);
  'rssBytes': (number);
  'bundleDigest': (string);
  'rolledBack': (_mayfly_v1_RolledBack__Output | null);
  'grants': (_mayfly_v1_GrantCounts__Output | null);
  'upstream': (_mayfly_v1_UpstreamAuthorityStatus__Output | null);
  'nodeAttestors': (_mayfly_v1_NodeAttestorStatus__Output)[];
  'dataDir': (string);
  'pinPath': (string);
}
