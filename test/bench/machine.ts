import { execFile } from 'node:child_process'
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Microseconds of one P-256 signature and of one verification on one core: by `openssl speed`, else by node:crypto, saying which. */
export async function p256Micros(): Promise<{ readonly sign: number; readonly verify: number; readonly of: string }> {
  try {
    const { stdout } = await run('openssl', ['speed', '-seconds', '2', '-mr', 'ecdsap256'])
    const [, signSeconds, verifySeconds] = /\+F\d+:\d+:256:([\d.]+):([\d.]+)/.exec(stdout) ?? []
    if (signSeconds !== undefined && verifySeconds !== undefined) {
      return { sign: 1e6 / perSecond(Number(signSeconds)), verify: 1e6 / perSecond(Number(verifySeconds)), of: 'openssl speed ecdsap256' }
    }
  } catch {
    // no openssl on this machine: the next best is measured below and named
  }
  return { ...nodeP256Micros(), of: 'node:crypto, no openssl here' }
}

/** `openssl speed -mr` prints seconds an operation up to 3.0, operations a second since. */
function perSecond(figure: number): number {
  return figure < 1 ? 1 / figure : figure
}

function nodeP256Micros(): { sign: number; verify: number } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const data = Buffer.alloc(600, 7)
  const signature = sign('sha256', data, privateKey)
  const micros = (work: () => void): number => {
    const count = 3_000
    const start = process.hrtime.bigint()
    for (let at = 0; at < count; at++) work()
    return Number(process.hrtime.bigint() - start) / 1e3 / count
  }
  return { sign: micros(() => sign('sha256', data, privateKey)), verify: micros(() => verify('sha256', data, publicKey, signature)) }
}

/** User and system time that a process and its threads have used, ms. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10 // clock ticks of 10 ms, as on every Linux that Node runs on
}

/** Resident memory of a process, MB (10^6 bytes), with what it shares. */
export function residentMb(pid: number): number {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
  return (Number(kib) * 1024) / 1e6
}

/** Monotonic time in ms with a fraction. */
export function elapsedMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
