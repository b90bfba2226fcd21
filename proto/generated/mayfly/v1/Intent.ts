// Original file: proto/mayfly/v1/grant.proto

import type { Workspace as _mayfly_v1_Workspace, Workspace__Output as _mayfly_v1_Workspace__Output } from '../../mayfly/v1/Workspace.ts';

export interface Intent {
  'actions'?: (string)[];
  'resources'?: (string)[];
  'workspace'?: (_mayfly_v1_Workspace | null);
  'expectedOutcome'?: (string);
  'reason'?: (string);
  'ticket'?: (string);
}

export interface Intent__Output {
  'actions': (string)[];
  'resources': (string)[];
  'workspace': (_mayfly_v1_Workspace__Output | null);
  'expectedOutcome': (string);
  'reason': (string);
  'ticket': (string);
}
