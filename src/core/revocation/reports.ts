import { concatBytes } from '../bytes.ts'
import { serialBytes } from '../serial.ts'
import { ByteReader, ByteWriter } from './byte-stream.ts'
import { hashBytes } from './codec.ts'
import type { StalenessClass } from './freshness.ts'

/** What a verifier tells, signed with the key of its SVID: bytes of `docs/revocation.md`, section 8. */
export type Report = Registration | Receipt | UsesReport | RefusalsReport

interface ReportHead {
  /** {@link instanceBytes} random bytes: one process. */
  readonly instance: Uint8Array
  /** Rises with each report of the instance, so that none counts twice. */
  readonly number: number
}

/** Who verifies, with which software, and how old a state it accepts on. */
export interface Registration extends ReportHead {
  readonly kind: 'registration'
  readonly class: StalenessClass
  /** Printable, at most {@link maxSoftwareBytes} bytes of UTF-8. */
  readonly software: string
}

/** Up to where the verifier has taken the stream in. */
export interface Receipt extends ReportHead {
  readonly kind: 'receipt'
  readonly epoch: number
  readonly seq: number
  readonly floorMinute: number
  /** How long the verifier has had this state when it signs: that much of the way is its own waiting. */
  readonly heldMs: number
  /** Of its set, 32 bytes. */
  readonly root: Uint8Array
}

/** Whom the verifier accepted since its report before. */
export interface UsesReport extends ReportHead {
  readonly kind: 'uses'
  /** 1 to {@link maxUses}. */
  readonly uses: readonly SerialUse[]
}

/** Who showed the verifier a credential that was superseded or revoked, and was refused for that, since its report before. */
export interface RefusalsReport extends ReportHead {
  readonly kind: 'refusals'
  /** 1 to {@link maxUses}. */
  readonly refusals: readonly SerialUse[]
}

/** Checks of one credential that came out the same. */
export interface SerialUse {
  /** 17 bytes. */
  readonly serial: Uint8Array
  /** By the verifier's clock. */
  readonly firstMs: number
  readonly lastMs: number
  /** At least 1. */
  readonly count: number
}

export const instanceBytes = 16
export const maxSoftwareBytes = 100
export const maxUses = 500
const kinds = { registration: 1, receipt: 2, uses: 3, refusals: 4 } as const
const classes = ['strict', 'standard', 'available'] as const
const version = 1
const context = new TextEncoder().encode('mayfly verifier report 1\0')

/** What the signature is over: context, body. */
export function signedReportBytes(body: Uint8Array): Uint8Array {
  return concatBytes(context, body)
}

export function encodeReport(report: Report): Uint8Array {
  const writer = new ByteWriter(128)
  writer.u8(kinds[report.kind])
  writer.u8(version)
  writer.bytes(report.instance)
  writer.u64(report.number)
  switch (report.kind) {
    case 'registration': {
      const software = new TextEncoder().encode(report.software)
      writer.u8(classes.indexOf(report.class) + 1)
      writer.u8(software.length)
      writer.bytes(software)
      break
    }
    case 'receipt':
      writer.u64(report.epoch)
      writer.u64(report.seq)
      writer.u32(report.floorMinute)
      writer.u32(Math.min(report.heldMs, 0xffff_ffff))
      writer.bytes(report.root)
      break
    case 'uses':
      writeUses(writer, report.uses)
      break
    case 'refusals':
      writeUses(writer, report.refusals)
      break
    default:
      return report satisfies never
  }
  return writer.finish()
}

/** Strict: another version or kind, a value out of its range or a trailing byte give `undefined`. */
export function decodeReport(body: Uint8Array): Report | undefined {
  const reader = new ByteReader(body)
  const kind = reader.u8()
  if (reader.u8() !== version) return undefined
  const head: ReportHead = { instance: reader.bytes(instanceBytes), number: reader.u64() }
  const report = readReport(kind, head, reader)
  return reader.ok && reader.atEnd ? report : undefined
}

/** As many bytes of a text as a registration takes, without control characters. */
export function softwareText(text: string): string {
  let kept = text.replace(/\p{Cc}/gu, ' ')
  while (new TextEncoder().encode(kept).length > maxSoftwareBytes) kept = kept.slice(0, -1)
  return kept.isWellFormed() ? kept : ''
}

function writeUses(writer: ByteWriter, uses: readonly SerialUse[]): void {
  writer.u16(uses.length)
  for (const { serial, firstMs, lastMs, count } of uses) {
    writer.bytes(serial)
    writer.u64(firstMs)
    writer.u64(lastMs)
    writer.u32(count)
  }
}

function readReport(kind: number, head: ReportHead, reader: ByteReader): Report | undefined {
  if (kind === kinds.registration) return readRegistration(head, reader)
  if (kind === kinds.receipt) return readReceipt(head, reader)
  if (kind !== kinds.uses && kind !== kinds.refusals) return undefined
  const uses = readUses(reader)
  if (uses === undefined) return undefined
  return kind === kinds.uses ? { ...head, kind: 'uses', uses } : { ...head, kind: 'refusals', refusals: uses }
}

function readRegistration(head: ReportHead, reader: ByteReader): Registration | undefined {
  const found = classes[reader.u8() - 1]
  const bytes = reader.bytes(reader.u8())
  if (!reader.ok || found === undefined || bytes.length > maxSoftwareBytes) return undefined
  try {
    const software = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return /\p{Cc}/u.test(software) ? undefined : { ...head, kind: 'registration', class: found, software }
  } catch {
    return undefined // not UTF-8
  }
}

function readReceipt(head: ReportHead, reader: ByteReader): Receipt {
  return { ...head, kind: 'receipt', epoch: reader.u64(), seq: reader.u64(), floorMinute: reader.u32(), heldMs: reader.u32(), root: reader.bytes(hashBytes) }
}

function readUses(reader: ByteReader): readonly SerialUse[] | undefined {
  const count = reader.u16()
  if (count === 0 || count > maxUses) return undefined
  const uses = Array.from({ length: count }, (): SerialUse => ({ serial: reader.bytes(serialBytes), firstMs: reader.u64(), lastMs: reader.u64(), count: reader.u32() }))
  return uses.every((use) => use.count > 0 && use.firstMs <= use.lastMs) ? uses : undefined
}
