// Original file: proto/mayfly/v1/grant.proto

import type { Workspace as _mayfly_v1_Workspace, Workspace__Output as _mayfly_v1_Workspace__Output } from '../../mayfly/v1/Workspace.ts';

export interface AllowedIntent {
  'actions'?: (string)[];
  'resources'?: (string)[];
  'dataClass'?: (string);
  'workspace'?: (_mayfly_v1_Workspace | null);
}

export interface AllowedIntent__Output {
  'actions': (string)[];
  'resources': (string)[];
  'dataClass': (string);
  'workspace': (_mayfly_v1_Workspace__Output | null);
}
