// Original file: proto/mayfly/v1/grants.proto

import type { RequestGrantRequest as _mayfly_v1_RequestGrantRequest, RequestGrantRequest__Output as _mayfly_v1_RequestGrantRequest__Output } from '../../mayfly/v1/RequestGrantRequest.ts';
import type { ProbeResult as _mayfly_v1_ProbeResult, ProbeResult__Output as _mayfly_v1_ProbeResult__Output } from '../../mayfly/v1/ProbeResult.ts';

export interface AttestedRequest {
  'request'?: (_mayfly_v1_RequestGrantRequest | null);
  'selectors'?: (string)[];
  'requester'?: (string);
  'instance'?: (string);
  'tier'?: (string);
  'parentGrantId'?: (string);
  'probes'?: (_mayfly_v1_ProbeResult)[];
  'insideGrantId'?: (string);
}

export interface AttestedRequest__Output {
  'request': (_mayfly_v1_RequestGrantRequest__Output | null);
  'selectors': (string)[];
  'requester': (string);
  'instance': (string);
  'tier': (string);
  'parentGrantId': (string);
  'probes': (_mayfly_v1_ProbeResult__Output)[];
  'insideGrantId': (string);
}
