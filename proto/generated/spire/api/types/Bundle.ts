// Original file: proto/spire/api/types/bundle.proto

import type { X509Certificate as _spire_api_types_X509Certificate, X509Certificate__Output as _spire_api_types_X509Certificate__Output } from '../../../spire/api/types/X509Certificate.ts';
import type { JWTKey as _spire_api_types_JWTKey, JWTKey__Output as _spire_api_types_JWTKey__Output } from '../../../spire/api/types/JWTKey.ts';
import type { WITKey as _spire_api_types_WITKey, WITKey__Output as _spire_api_types_WITKey__Output } from '../../../spire/api/types/WITKey.ts';
import type { Long } from '@grpc/proto-loader';

export interface Bundle {
  'trustDomain'?: (string);
  'x509Authorities'?: (_spire_api_types_X509Certificate)[];
  'jwtAuthorities'?: (_spire_api_types_JWTKey)[];
  'refreshHint'?: (number | string | Long);
  'sequenceNumber'?: (number | string | Long);
  'witAuthorities'?: (_spire_api_types_WITKey)[];
}

export interface Bundle__Output {
  'trustDomain': (string);
  'x509Authorities': (_spire_api_types_X509Certificate__Output)[];
  'jwtAuthorities': (_spire_api_types_JWTKey__Output)[];
  'refreshHint': (number);
  'sequenceNumber': (number);
  'witAuthorities': (_spire_api_types_WITKey__Output)[];
}
