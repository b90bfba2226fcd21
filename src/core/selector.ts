import { MayflyError } from './errors.ts'

/** A fact that an attestor states, `type:value`. Equal when both parts are. */
export interface Selector {
  readonly type: string
  readonly value: string
}

const maxTypeLength = 64
const maxValueLength = 4096

/** Splits at the first colon; the value may hold more. @throws {MayflyError} SELECTOR_INVALID */
export function parseSelector(text: string): Selector {
  const colon = text.indexOf(':')
  return checkSelector({ type: text.slice(0, Math.max(colon, 0)), value: colon < 0 ? '' : text.slice(colon + 1) })
}

/** @throws {MayflyError} SELECTOR_INVALID */
export function checkSelector(selector: Selector): Selector {
  const fail = (why: string): never => {
    throw new MayflyError('SELECTOR_INVALID', `not a selector: ${why}`, { hint: 'write it as type:value, such as unix:uid:1000' })
  }
  if (selector.type === '') fail('the type is empty')
  if (selector.type.includes(':')) fail('the type has a colon')
  if (selector.value === '') fail('the value is empty')
  if (selector.type.length > maxTypeLength || selector.value.length > maxValueLength) fail('it is too long')
  return selector
}

export function formatSelector(selector: Selector): string {
  return `${selector.type}:${selector.value}`
}

/** Whether every wanted selector is among the facts. An empty `wanted` matches nothing: an entry without selectors is nobody's. */
export function matches(wanted: readonly Selector[], facts: ReadonlySet<string>): boolean {
  return wanted.length > 0 && wanted.every((selector) => facts.has(formatSelector(selector)))
}
