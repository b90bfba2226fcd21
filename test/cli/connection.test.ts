import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { connectServer } from '../../src/cli/connection.ts'
import { Output } from '../../src/cli/output.ts'
import { systemClock } from '../../src/system/clock.ts'
import { systemRandom } from '../../src/system/random.ts'

test('a socket that is not there is missed; one that cannot be looked at is asked, and the call says why not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  symlinkSync('loop', join(folder, 'loop'))
  const context = { output: new Output(process.stdout, process.stderr, { isTty: false, columns: () => 80 }), env: {}, cwd: folder, clock: systemClock, random: systemRandom, signal: new AbortController().signal }
  await expect(connectServer({ 'server-socket': join(folder, 'none', 'admin.sock') }, context)).rejects.toThrow('no server listens at none/admin.sock')
  using channel = await connectServer({ 'server-socket': join(folder, 'loop', 'admin.sock') }, context)
  await expect(channel.unary('mayfly.v1.Status', 'Get', {}, { timeoutMs: 60_000 })).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('ELOOP') as string })
})
