import { fromHex, toHex } from './bytes.ts'
import { MayflyError } from './errors.ts'

/**
 * The serial number of a credential, which is also its place in the revocation set (design 6): 17 bytes,
 * `shard 1 (1..127) | minute 4 | index 4 | random 8`, big endian; `minute` = ⌊notAfter / 60 s⌋ since the epoch.
 */
export interface Serial {
  readonly shard: number
  readonly minute: number
  readonly index: number
  /** 8 bytes. */
  readonly random: Uint8Array
}

export const serialBytes = 17
const maxUint32 = 0xffff_ffff

/** ⌊notAfter / 60 s⌋. */
export function minuteOf(notAfterMs: number): number {
  return Math.floor(notAfterMs / 60_000)
}

/** @throws {MayflyError} SERIAL_INVALID when a field is out of its range */
export function encodeSerial(serial: Serial): Uint8Array {
  if (!inRange(serial.shard, 1, 127) || !inRange(serial.minute, 0, maxUint32) || !inRange(serial.index, 0, maxUint32) || serial.random.length !== 8) {
    throw new MayflyError('SERIAL_INVALID', 'a field of the serial is out of its range')
  }
  const bytes = new Uint8Array(serialBytes)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, serial.shard)
  view.setUint32(1, serial.minute)
  view.setUint32(5, serial.index)
  bytes.set(serial.random, 9)
  return bytes
}

/** A serial of this form, or `undefined` for any other length or a shard outside 1..127. */
export function decodeSerial(bytes: Uint8Array): Serial | undefined {
  if (bytes.length !== serialBytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const shard = view.getUint8(0)
  if (!inRange(shard, 1, 127)) return undefined
  return { shard, minute: view.getUint32(1), index: view.getUint32(5), random: bytes.slice(9) }
}

/** Lower-case hexadecimal, 34 digits: the spelling in logs, the CLI and the ledger. */
export function formatSerial(serial: Serial): string {
  return toHex(encodeSerial(serial))
}

/** Accepts colons between bytes and either case. @throws {MayflyError} SERIAL_INVALID */
export function parseSerial(text: string): Serial {
  const bytes = fromHex(text.replaceAll(':', ''))
  const serial = bytes === undefined ? undefined : decodeSerial(bytes)
  if (serial === undefined) throw new MayflyError('SERIAL_INVALID', 'not a serial of this issuer', { hint: 'a serial is 34 hexadecimal digits, as `mayfly x509 fetch` prints it' })
  return serial
}

function inRange(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}
