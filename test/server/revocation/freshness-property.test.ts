import { test } from 'vitest'
import { assertFreshness } from '../../support/revocation/freshness-world.ts'

test('acknowledged, the limit and a second ago: no fresh verifier accepts, whatever its clock, its link and its sleep; and all recover', async () => {
  await assertFreshness(20)
})
