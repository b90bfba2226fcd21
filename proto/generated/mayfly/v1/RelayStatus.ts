// Original file: proto/mayfly/v1/relay.proto

import type { UpstreamStatus as _mayfly_v1_UpstreamStatus, UpstreamStatus__Output as _mayfly_v1_UpstreamStatus__Output } from '../../mayfly/v1/UpstreamStatus.ts';
import type { Long } from '@grpc/proto-loader';

export interface RelayStatus {
  'version'?: (string);
  'trustDomain'?: (string);
  'upstreams'?: (_mayfly_v1_UpstreamStatus)[];
  'listening'?: (string)[];
  'epoch'?: (number | string | Long);
  'seq'?: (number | string | Long);
  'ageMs'?: (number | string | Long);
  'readers'?: (number | string | Long);
  'verifiers'?: (number | string | Long);
  'rssBytes'?: (number | string | Long);
  'depth'?: (number);
  'startedAtMs'?: (number | string | Long);
}

export interface RelayStatus__Output {
  'version': (string);
  'trustDomain': (string);
  'upstreams': (_mayfly_v1_UpstreamStatus__Output)[];
  'listening': (string)[];
  'epoch': (number);
  'seq': (number);
  'ageMs': (number);
  'readers': (number);
  'verifiers': (number);
  'rssBytes': (number);
  'depth': (number);
  'startedAtMs': (number);
}
