import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fileError } from '../../../server/recovery/files.ts'
import { startServer } from '../../support/server/test-server.ts'

test('a place that cannot be looked at is told of, and no error of the server', async () => {
  const { admin, dataDir } = await startServer()
  writeFileSync(join(dataDir, 'file'), '')
  symlinkSync('loop', join(dataDir, 'loop'))
  for (const to of [join(dataDir, 'file', 'backup'), join(dataDir, 'loop', 'backup')]) {
    await expect(admin.unary('mayfly.v1.Backups', 'Create', { to })).rejects.toMatchObject({ code: 'STORE_UNWRITABLE', message: expect.stringContaining(`${to} cannot be looked at`) as string })
  }
})

test.each([
  ['EACCES', /the server while it runs/],
  ['EROFS', /ReadWritePaths=/],
  ['ENOSPC', /the disk is full/],
  ['EIO', /see the log/],
])('%s says what to look at', (code, hint) => {
  expect(fileError(Object.assign(new Error('no'), { code }), 'no backup was made')).toMatchObject({ code: 'STORE_UNWRITABLE', hint: expect.stringMatching(hint) as string })
})
