// Original file: proto/spire/api/types/federationrelationship.proto


export interface HTTPSSPIFFEProfile {
  'endpointSpiffeId'?: (string);
}

export interface HTTPSSPIFFEProfile__Output {
  'endpointSpiffeId': (string);
}
