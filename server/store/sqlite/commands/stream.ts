import { MayflyError } from '../../../../src/core/errors.ts'
import type { Command } from '../operations.ts'
import { decision } from './ending.ts'

export const pruneStream: Command<'stream.prune'> = (tables, throughSeq, by) => {
  if (!Number.isSafeInteger(throughSeq)) throw new MayflyError('INVALID_ARGUMENT', 'the number of an event is a whole number')
  const through = Math.min(throughSeq, tables.stream.head().seq - 1)
  const dropped = tables.stream.countThrough(through)
  return decision(dropped === 0 ? [] : [{ kind: 'stream.pruned', throughSeq: through, by: by.name, atMs: by.atMs }], dropped)
}
