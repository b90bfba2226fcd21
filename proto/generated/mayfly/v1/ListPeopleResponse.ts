// Original file: proto/mayfly/v1/grants.proto

import type { Person as _mayfly_v1_Person, Person__Output as _mayfly_v1_Person__Output } from '../../mayfly/v1/Person.ts';

export interface ListPeopleResponse {
  'people'?: (_mayfly_v1_Person)[];
}

export interface ListPeopleResponse__Output {
  'people': (_mayfly_v1_Person__Output)[];
}
