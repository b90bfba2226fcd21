import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { clockWith, systemClock } from '../../src/system/clock.ts'
import { readBootMs } from '../../src/system/linux/boottime.ts'
import { systemRandom } from '../../src/system/random.ts'

test('both sources of boot time agree with the kernel', () => {
  const kernel = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1_000
  expect(Math.abs(readBootMs() - kernel)).toBeLessThan(500)
  expect(Math.abs(systemClock.bootMs() - kernel)).toBeLessThan(500)
})

test('boot time never goes back, even if its source does', () => {
  const readings = [5, 7, 6, 8]
  const clock = clockWith(() => readings.shift() ?? 0)
  expect([clock.bootMs(), clock.bootMs(), clock.bootMs(), clock.bootMs(), clock.bootMs()]).toEqual([5, 7, 7, 8, 8])
  const real = Array.from({ length: 100_000 }, () => systemClock.bootMs())
  expect(real.every((now, at) => now >= (real[at - 1] ?? 0))).toBe(true)
})

test('sleep ends in time, or with the reason of its signal', async () => {
  const from = systemClock.bootMs()
  await systemClock.sleep(20, new AbortController().signal)
  expect(systemClock.bootMs() - from).toBeGreaterThan(5)
  const controller = new AbortController()
  const asleep = systemClock.sleep(2 ** 40, controller.signal)
  controller.abort('enough')
  await expect(asleep).rejects.toBe('enough')
  await expect(systemClock.sleep(1, AbortSignal.abort('before'))).rejects.toBe('before')
})

test('the clock loads no native code', () => {
  const script = `await import(${JSON.stringify(new URL('../../src/system/clock.ts', import.meta.url).href)}); await import(${JSON.stringify(new URL('../../src/system/linux/peer-credentials.ts', import.meta.url).href)}); process.stdout.write(String(process.report.getReport().sharedObjects.some((name) => name.includes('koffi'))))`
  expect(spawnSync(process.execPath, ['--input-type=module', '-e', script]).stdout.toString()).toBe('false')
})

test('random bytes are as many as asked, and others each time', () => {
  expect(systemRandom.bytes(17)).toHaveLength(17)
  expect(systemRandom.bytes(16)).not.toEqual(systemRandom.bytes(16))
})
