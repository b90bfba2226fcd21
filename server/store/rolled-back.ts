import { MayflyError } from '../../src/core/errors.ts'
import type { SeenHead } from './model.ts'

/** What every signing call meets while the store is behind its own past. */
export function rolledBackError({ epoch, seq }: SeenHead): MayflyError {
  return new MayflyError('SERVER_ROLLED_BACK', `this server's database is older than what it signed before (stream ${epoch}/${seq}): it issues nothing`, {
    hint: 'stop it and run: mayfly server restore --in-place',
    details: { epoch, seq },
  })
}
