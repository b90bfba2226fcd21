// Original file: proto/spire/api/types/entry.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../spire/api/types/SPIFFEID.ts';
import type { Selector as _spire_api_types_Selector, Selector__Output as _spire_api_types_Selector__Output } from '../../../spire/api/types/Selector.ts';
import type { Long } from '@grpc/proto-loader';

export interface _spire_api_types_Entry_AdditionalAttributes {
  'disableX509SvidPrefetch'?: (boolean);
  'jwtSvidIncludeJti'?: (boolean);
}

export interface _spire_api_types_Entry_AdditionalAttributes__Output {
  'disableX509SvidPrefetch': (boolean);
  'jwtSvidIncludeJti': (boolean);
}

export interface Entry {
  'id'?: (string);
  'spiffeId'?: (_spire_api_types_SPIFFEID | null);
  'parentId'?: (_spire_api_types_SPIFFEID | null);
  'selectors'?: (_spire_api_types_Selector)[];
  'x509SvidTtl'?: (number);
  'federatesWith'?: (string)[];
  'admin'?: (boolean);
  'downstream'?: (boolean);
  'expiresAt'?: (number | string | Long);
  'dnsNames'?: (string)[];
  'revisionNumber'?: (number | string | Long);
  'storeSvid'?: (boolean);
  'jwtSvidTtl'?: (number);
  'hint'?: (string);
  'createdAt'?: (number | string | Long);
  'additionalAttributes'?: (_spire_api_types_Entry_AdditionalAttributes | null);
  '_additionalAttributes'?: "additionalAttributes";
}

export interface Entry__Output {
  'id': (string);
  'spiffeId': (_spire_api_types_SPIFFEID__Output | null);
  'parentId': (_spire_api_types_SPIFFEID__Output | null);
  'selectors': (_spire_api_types_Selector__Output)[];
  'x509SvidTtl': (number);
  'federatesWith': (string)[];
  'admin': (boolean);
  'downstream': (boolean);
  'expiresAt': (number);
  'dnsNames': (string)[];
  'revisionNumber': (number);
  'storeSvid': (boolean);
  'jwtSvidTtl': (number);
  'hint': (string);
  'createdAt': (number);
  'additionalAttributes'?: (_spire_api_types_Entry_AdditionalAttributes__Output | null);
  '_additionalAttributes'?: "additionalAttributes";
}
