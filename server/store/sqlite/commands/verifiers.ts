import type { Command } from '../operations.ts'
import { decision } from './ending.ts'

export const registerVerifiers: Command<'verifiers.register'> = (_tables, verifiers, atMs) =>
  decision(verifiers.length === 0 ? [] : [{ kind: 'verifiers.registered', verifiers, atMs }], undefined)

export const removeVerifiers: Command<'verifiers.remove'> = (tables, instances, atMs) => {
  const known = instances.filter((instance) => tables.verifiers.has(instance))
  return decision(known.length === 0 ? [] : [{ kind: 'verifiers.removed', instances: known, atMs }], undefined)
}

export const recordUses: Command<'credentials.recordUses'> = (tables, uses, atMs) => {
  const ours = uses.filter(({ serial }) => tables.ledger.has(Buffer.from(serial, 'hex')))
  return decision(ours.length === 0 ? [] : [{ kind: 'uses.reported', uses: ours, atMs }], ours.length)
}
