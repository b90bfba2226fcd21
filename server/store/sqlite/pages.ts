import { MayflyError } from '../../../src/core/errors.ts'
import type { Page } from '../port.ts'

const maxPageSize = 10_000

/** The rows that a page asks for: those whose key is greater than `after`, at most `size`. */
export interface PageWindow {
  readonly after: string | undefined
  readonly size: number
}

/** @throws {MayflyError} INVALID_ARGUMENT, PAGE_TOKEN_INVALID */
export function readPage(kind: string, page: Page): PageWindow {
  if (!Number.isInteger(page.size) || page.size < 1 || page.size > maxPageSize) throw new MayflyError('INVALID_ARGUMENT', `a page has 1 to ${maxPageSize} items`)
  if (page.after === undefined) return { after: undefined, size: page.size }
  const text = Buffer.from(page.after, 'base64url').toString('utf8')
  if (!text.startsWith(`${kind}:`) || pageToken(kind, text.slice(kind.length + 1)) !== page.after) {
    throw new MayflyError('PAGE_TOKEN_INVALID', 'not a page token of this list', { hint: 'start again without a page token' })
  }
  return { after: text.slice(kind.length + 1), size: page.size }
}

/** Where the next page starts: after the row of this key. */
export function pageToken(kind: string, key: string): string {
  return Buffer.from(`${kind}:${key}`, 'utf8').toString('base64url')
}
