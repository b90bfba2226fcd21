import { createRequire } from 'node:module'
import type { Document, LineCounter } from 'yaml'
import { MayflyError } from '../core/errors.ts'
import type { Complain, Fields, Place, Values } from './fields.ts'

/** One thing wrong with a configuration. */
export interface Problem {
  /** As `ca.authorityTtl` or `adminUids[1]`; empty for the text as a whole. */
  readonly path: string
  /** From 1; unset when it is not in the file (a missing key, a flag). */
  readonly line?: number
  readonly message: string
}

export type Reading<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: readonly Problem[] }

/** Flags by path, as `{ listen: '127.0.0.1:0' }`: they stand in the place of what the file says. */
export type Overrides = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

const maxTextBytes = 1_048_576

/**
 * Reads YAML 1.2 or JSON against a shape: every problem at once, unknown and repeated keys refused, no anchors, no tags.
 * @param text empty for a configuration made of flags alone
 * @param check asked once all could be read, for what no group can tell alone
 */
export function readConfig<F extends Fields>(text: string, fields: F, overrides: Overrides = {}, check?: Check<Values<F>>): Reading<Values<F>> {
  if (text.length > maxTextBytes) return { ok: false, problems: [{ path: '', message: `longer than ${maxTextBytes} bytes` }] }
  if (text === '') {
    const problems: Problem[] = []
    return readRoot(new DocumentPlace(undefined, '', undefined, problems), fields, overrides, problems, check)
  }
  const { LineCounter: Lines, parseDocument } = yaml()
  const lines = new Lines()
  const document = parseDocument(text, { lineCounter: lines, schema: 'core', merge: false, uniqueKeys: true, strict: true, prettyErrors: false })
  if (document.errors.length > 0) {
    return { ok: false, problems: document.errors.map(({ pos, code, message }) => ({ path: '', line: lines.linePos(pos[0]).line, message: code === 'DUPLICATE_KEY' ? `${/^[\w.-]{1,80}/.exec(text.slice(pos[0]))?.[0] ?? 'a key'} is there twice` : message })) }
  }
  const problems: Problem[] = []
  return readRoot(new DocumentPlace(document.contents ?? undefined, '', lines, problems), fields, overrides, problems, check)
}

/** Looks at what was read as a whole, and complains of what does not fit together. */
export type Check<T> = (value: T, problem: Complain) => void

function readRoot<F extends Fields>(root: DocumentPlace, fields: F, overrides: Overrides, problems: Problem[], check: Check<Values<F>> | undefined): Reading<Values<F>> {
  const value = readFields(root, fields, flagTree(overrides), check)
  return problems.length > 0 || value === undefined ? { ok: false, problems } : { ok: true, value }
}

/**
 * As {@link readConfig}, or throws. @param flags the path that each flag stands for: what is missing is said with its flag
 * @param check as there
 * @throws {MayflyError} CONFIG_INVALID, one problem a line after the first
 */
export function parseConfig<F extends Fields>(text: string, fields: F, overrides: Overrides = {}, fileName = 'configuration', flags: Readonly<Record<string, string>> = {}, check?: Check<Values<F>>): Values<F> {
  const reading = readConfig(text, fields, overrides, check)
  if (reading.ok) return reading.value
  const flagOf = new Map(Object.entries(flags).map(([flag, path]) => [path, flag]))
  const problems = reading.problems.map((problem) => {
    const flag = flagOf.get(problem.path)
    return problem.message === 'required' && flag !== undefined ? { ...problem, message: `required: say it with --${flag}, or as ${problem.path} in a file that --config names` } : problem
  })
  throw new MayflyError('CONFIG_INVALID', formatProblems(problems, fileName), { hint: 'every problem is listed: mend them and run it again with --check-config' })
}

/** `file:3: path: message`, one a line. */
export function formatProblems(problems: readonly Problem[], fileName: string): string {
  return problems
    .map(({ line, path, message }) => `${fileName}${line === undefined ? '' : `:${line}`}: ${path === '' ? '' : `${path}: `}${message}`)
    .join('\n')
}

/** Loaded with the first text (20 ms): a process that is told all by flags does without. */
let loaded: typeof import('yaml') | undefined
function yaml(): typeof import('yaml') {
  return (loaded ??= createRequire(import.meta.url)('yaml') as typeof import('yaml')) // require returns any; the package is pinned, and so are its types
}

type FlagTree = { readonly value?: string | boolean | readonly string[]; readonly below: Map<string, FlagTree> }

function flagTree(overrides: Overrides): FlagTree {
  const root: FlagTree = { below: new Map() }
  for (const [path, value] of Object.entries(overrides)) {
    if (value === undefined) continue
    let at = root
    const keys = path.split('.')
    for (const [depth, key] of keys.entries()) {
      const next: FlagTree = at.below.get(key) ?? { below: new Map() }
      at.below.set(key, depth === keys.length - 1 ? { ...next, value } : next)
      at = at.below.get(key) ?? next
    }
  }
  return root
}

function readFields<F extends Fields>(place: DocumentPlace, fields: F, flags: FlagTree, check?: Check<Values<F>>): Values<F> | undefined {
  const before = place.problems.length
  const given = place.children()
  if (given === undefined) return undefined
  for (const [key, child] of given) {
    if (!Object.hasOwn(fields, key)) child.problem(`unknown key${nearest(key, Object.keys(fields))}`)
  }
  const values: Record<string, unknown> = {}
  for (const [key, field] of Object.entries(fields)) {
    const flag = flags.below.get(key)
    const path = place.path === '' ? key : `${place.path}.${key}`
    const child = flag?.value === undefined ? given.get(key) : new FlagPlace(flag.value, path, place.problems)
    if (field.fields !== undefined) {
      values[key] = readFields((child as DocumentPlace | undefined) ?? new DocumentPlace(undefined, path, place.lines, place.problems), field.fields, flag ?? { below: new Map() }, field.check?.bind(field)) // a group never has a flag of its own
    } else if (child === undefined || child.isNull()) {
      if (field.required) place.problemAt(path, 'required')
      else values[key] = field.default
    } else {
      values[key] = field.read(child)
    }
  }
  if (place.problems.length > before) return undefined
  const read = Object.freeze(values) as Values<F> // every key was read by its field
  check?.(read, (path, message) => {
    if (isByFlag(flags, path)) place.problems.push({ path: joined(place.path, path), message: `${message}${byFlag}` })
    else place.problemBelow(path, message)
  })
  return place.problems.length > before ? undefined : read
}

const byFlag = ' (given by a flag)'

function isByFlag(flags: FlagTree, path: string): boolean {
  let at: FlagTree | undefined = flags
  for (const key of stepsOf(path)) {
    at = at.below.get(key)
    if (at === undefined) return false
    if (at.value !== undefined) return true
  }
  return false
}

/** Of `hosts[1].name`: `hosts`, `1`, `name`. */
function stepsOf(path: string): readonly string[] {
  return path.split(/[.[\]]+/).filter((step) => step !== '')
}

function joined(above: string, path: string): string {
  return above === '' || path === '' || path.startsWith('[') ? `${above}${path}` : `${above}.${path}`
}

class DocumentPlace implements Place {
  readonly path: string
  readonly lines: LineCounter | undefined
  readonly problems: Problem[]
  readonly #node: Document['contents'] | undefined

  constructor(node: Document['contents'] | undefined, path: string, lines: LineCounter | undefined, problems: Problem[]) {
    this.#node = node
    this.path = path
    this.lines = lines
    this.problems = problems
  }

  isNull(): boolean {
    return this.#node === undefined || this.#node === null || (yaml().isScalar(this.#node) && this.#node.value === null)
  }

  scalar(): string | number | boolean | undefined {
    const value = yaml().isScalar(this.#node) ? this.#node.value : undefined
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined
  }

  /** A number keeps its spelling, so that `010` or `1e3` is not taken for an identifier of another form. */
  source(): string | undefined {
    return yaml().isScalar(this.#node) ? (this.#node.source ?? String(this.#node.value)) : undefined
  }

  items(): readonly Place[] | undefined {
    if (!yaml().isSeq(this.#node)) return undefined
    return this.#node.items.map((item, at) => new DocumentPlace(item as Document['contents'], `${this.path}[${at}]`, this.lines, this.problems)) // items of a parsed sequence are nodes
  }

  group<F extends Fields>(fields: F): Values<F> | undefined {
    return readFields(this, fields, { below: new Map() })
  }

  /** Empty for nothing at all; `undefined` (and a problem) when it is no mapping. */
  children(): Map<string, DocumentPlace> | undefined {
    const places = new Map<string, DocumentPlace>()
    if (this.isNull()) return places
    if (!yaml().isMap(this.#node)) {
      this.problem(yaml().isAlias(this.#node) ? 'aliases are not allowed' : 'must be a mapping of keys to values')
      return undefined
    }
    for (const pair of this.#node.items) {
      const key = yaml().isScalar(pair.key) ? String(pair.key.value) : '?'
      const path = this.path === '' ? key : `${this.path}.${key}`
      places.set(key, new DocumentPlace((pair.value ?? pair.key) as Document['contents'], path, this.lines, this.problems)) // nodes of a parsed mapping
    }
    return places
  }

  #lineAt(offset: number | undefined): { readonly line?: number } {
    return offset === undefined || this.lines === undefined ? {} : { line: this.lines.linePos(offset).line }
  }

  problem(message: string): undefined {
    const offset = this.#node?.range?.[0]
    this.problems.push({ path: this.path, ...this.#lineAt(offset), message })
    return undefined
  }

  /** By its line, when it is there. */
  readonly problemBelow: Complain = (path, message) => {
    let node: Document['contents'] | undefined = this.#node
    for (const step of stepsOf(path)) {
      if (yaml().isMap(node)) node = node.get(step, true) as Document['contents'] | undefined // a node of a parsed mapping, kept as one
      else node = yaml().isSeq(node) ? (node.get(Number(step), true) as Document['contents'] | undefined) : undefined // likewise of a sequence
    }
    this.problems.push({ path: joined(this.path, path), ...this.#lineAt((node ?? (this.path === '' ? undefined : this.#node))?.range?.[0]), message })
  }

  problemAt(path: string, message: string): void {
    const offset = this.#node?.range?.[0]
    this.problems.push({ path, ...this.#lineAt(this.path === '' ? undefined : offset), message })
  }
}

class FlagPlace implements Place {
  readonly path: string
  readonly #value: string | boolean | readonly string[]
  readonly #problems: Problem[]

  constructor(value: string | boolean | readonly string[], path: string, problems: Problem[]) {
    this.#value = value
    this.path = path
    this.#problems = problems
  }

  isNull(): boolean {
    return false
  }

  scalar(): string | number | boolean | undefined {
    const value = this.#value
    if (typeof value === 'boolean') return value
    if (typeof value !== 'string') return undefined
    return value
  }

  source(): string | undefined {
    return typeof this.#value === 'string' ? this.#value : undefined
  }

  items(): readonly Place[] | undefined {
    if (typeof this.#value === 'boolean') return undefined
    const parts = typeof this.#value === 'string' ? this.#value.split(',') : this.#value
    return parts.map((part, at) => new FlagPlace(part, `${this.path}[${at}]`, this.#problems))
  }

  group(): undefined {
    return this.problem('cannot be written in one word')
  }

  problem(message: string): undefined {
    this.problemBelow('', message)
    return undefined
  }

  readonly problemBelow: Complain = (path, message) => {
    this.#problems.push({ path: joined(this.path, path), message: `${message}${byFlag}` })
  }
}

function nearest(key: string, known: readonly string[]): string {
  const same = known.find((other) => other.toLowerCase().replaceAll(/[_-]/g, '') === key.toLowerCase().replaceAll(/[_-]/g, ''))
  return same === undefined ? `; known are ${known.join(', ')}` : `; did you mean ${same}?`
}
