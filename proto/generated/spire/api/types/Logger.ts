// Original file: proto/spire/api/types/logger.proto

import type { LogLevel as _spire_api_types_LogLevel, LogLevel__Output as _spire_api_types_LogLevel__Output } from '../../../spire/api/types/LogLevel.ts';

export interface Logger {
  'currentLevel'?: (_spire_api_types_LogLevel);
  'launchLevel'?: (_spire_api_types_LogLevel);
}

export interface Logger__Output {
  'currentLevel': (_spire_api_types_LogLevel__Output);
  'launchLevel': (_spire_api_types_LogLevel__Output);
}
