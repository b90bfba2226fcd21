// Original file: proto/spire/api/types/agent.proto


export interface AgentMask {
  'attestationType'?: (boolean);
  'x509svidSerialNumber'?: (boolean);
  'x509svidExpiresAt'?: (boolean);
  'selectors'?: (boolean);
  'banned'?: (boolean);
  'canReattest'?: (boolean);
  'agentVersion'?: (boolean);
}

export interface AgentMask__Output {
  'attestationType': (boolean);
  'x509svidSerialNumber': (boolean);
  'x509svidExpiresAt': (boolean);
  'selectors': (boolean);
  'banned': (boolean);
  'canReattest': (boolean);
  'agentVersion': (boolean);
}
