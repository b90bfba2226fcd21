// Original file: proto/mayfly/v1/admin.proto


export interface Target {
  'serial'?: (string);
  'spiffeId'?: (string);
  'entryId'?: (string);
  'agentId'?: (string);
  'owner'?: (string);
  'target'?: "serial"|"spiffeId"|"entryId"|"agentId"|"owner";
}

export interface Target__Output {
  'serial'?: (string);
  'spiffeId'?: (string);
  'entryId'?: (string);
  'agentId'?: (string);
  'owner'?: (string);
  'target'?: "serial"|"spiffeId"|"entryId"|"agentId"|"owner";
}
