import { MayflyError } from '../core/errors.ts'
import { viewOf } from './spki.ts'

const maxPemBytes = 1_048_576
const maxListsPemBytes = 24_000_000
const maxBlocks = 1_000
const blockPattern = /-----BEGIN ([A-Z0-9 ]{1,40})-----[ \t]*\r?\n([A-Za-z0-9+/=\r\n \t]*)-----END \1-----/g

/** One block as RFC 7468 writes it: lines of 64, ended by a line feed. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines = viewOf(der).toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

/** Certificates one after another, in the order given. */
export function encodeCertificatesPem(chain: readonly Uint8Array[]): string {
  return chain.map((der) => encodePem('CERTIFICATE', der)).join('')
}

/**
 * The DER of every certificate of a PEM text, at least one, in order; at most 1 MiB and 1,000 blocks. Text outside of the blocks is passed
 * over (RFC 7468 2); a block of another kind or one that is damaged is refused. The certificates themselves are not parsed.
 * @throws {MayflyError} CERTIFICATE_INVALID
 */
export function decodeCertificatesPem(text: string): readonly Uint8Array[] {
  const blocks = decodeBlocks(text)
  if (blocks.length === 0) invalid('there is no certificate in it')
  for (const { label } of blocks) if (label !== 'CERTIFICATE') invalid(`it holds ${label.startsWith('X') ? 'an' : 'a'} ${label}`)
  return blocks.map(({ der }) => der)
}

/** The PKCS#8 of the one `PRIVATE KEY` block of a PEM text. @throws {MayflyError} CERTIFICATE_INVALID */
export function decodePrivateKeyPem(text: string): Uint8Array {
  return decodePem('PRIVATE KEY', text)
}

/** The DER of the one block with this label. @throws {MayflyError} CERTIFICATE_INVALID */
export function decodePem(label: string, text: string): Uint8Array {
  const [block, ...more] = decodeBlocks(text)
  if (block === undefined || more.length > 0 || block.label !== label) return invalid(`it is not one ${label}`)
  return block.der
}

/** The DER of every block, at least one, all with this label. @throws {MayflyError} CERTIFICATE_INVALID */
export function decodePems(label: string, text: string): readonly Uint8Array[] {
  const blocks = decodeBlocks(text, maxListsPemBytes)
  if (blocks.length === 0 || blocks.some((block) => block.label !== label)) return invalid(`it is not ${label} alone`)
  return blocks.map(({ der }) => der)
}

function decodeBlocks(text: string, maxBytes = maxPemBytes): readonly { readonly label: string; readonly der: Uint8Array }[] {
  if (text.length > maxBytes) invalid(`longer than ${maxBytes} bytes`)
  const blocks = [...text.matchAll(blockPattern)].map(([, label = '', body = '']) => ({ label, der: decodeBase64(body.replace(/[\r\n \t]/g, '')) }))
  if (blocks.length !== (text.match(/-----BEGIN /g) ?? []).length) invalid('a block is damaged')
  if (blocks.length > maxBlocks) invalid(`more than ${maxBlocks} blocks`)
  return blocks
}

/** Strict base64 with its padding. @throws {MayflyError} CERTIFICATE_INVALID */
export function decodeBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (text === '' || bytes.toString('base64') !== text) return invalid('its base64 is damaged')
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function invalid(why: string): never {
  throw new MayflyError('CERTIFICATE_INVALID', `not the PEM that was expected: ${why}`)
}
