// Original file: proto/spire/api/types/federationrelationship.proto

import type { HTTPSWebProfile as _spire_api_types_HTTPSWebProfile, HTTPSWebProfile__Output as _spire_api_types_HTTPSWebProfile__Output } from '../../../spire/api/types/HTTPSWebProfile.ts';
import type { HTTPSSPIFFEProfile as _spire_api_types_HTTPSSPIFFEProfile, HTTPSSPIFFEProfile__Output as _spire_api_types_HTTPSSPIFFEProfile__Output } from '../../../spire/api/types/HTTPSSPIFFEProfile.ts';
import type { Bundle as _spire_api_types_Bundle, Bundle__Output as _spire_api_types_Bundle__Output } from '../../../spire/api/types/Bundle.ts';

export interface FederationRelationship {
  'trustDomain'?: (string);
  'bundleEndpointUrl'?: (string);
  'httpsWeb'?: (_spire_api_types_HTTPSWebProfile | null);
  'httpsSpiffe'?: (_spire_api_types_HTTPSSPIFFEProfile | null);
  'trustDomainBundle'?: (_spire_api_types_Bundle | null);
  'bundleEndpointProfile'?: "httpsWeb"|"httpsSpiffe";
}

export interface FederationRelationship__Output {
  'trustDomain': (string);
  'bundleEndpointUrl': (string);
  'httpsWeb'?: (_spire_api_types_HTTPSWebProfile__Output | null);
  'httpsSpiffe'?: (_spire_api_types_HTTPSSPIFFEProfile__Output | null);
  'trustDomainBundle': (_spire_api_types_Bundle__Output | null);
  'bundleEndpointProfile'?: "httpsWeb"|"httpsSpiffe";
}
