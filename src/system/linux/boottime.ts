import { readFileSync } from 'node:fs'
import { MayflyError } from '../../core/errors.ts'
import { errno, libc } from './libc.ts'

const timespec = new BigInt64Array(2)
const clockBoottime = 7

/** Names this boot of the machine. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

/** CLOCK_BOOTTIME in ms, to the nanosecond: for `clockWith`. Loads koffi at its first call. @throws {MayflyError} PLATFORM_UNSUPPORTED */
export function readBootMs(): number {
  if (libc().clock_gettime(clockBoottime, timespec) !== 0) {
    throw new MayflyError('PLATFORM_UNSUPPORTED', `CLOCK_BOOTTIME cannot be read: errno ${errno()}`)
  }
  return Number(timespec[0] ?? 0n) * 1_000 + Number(timespec[1] ?? 0n) / 1_000_000
}
