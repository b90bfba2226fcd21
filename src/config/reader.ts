import { createRequire } from 'node:module'
import type { Document, LineCounter } from 'yaml'
import { MayflyError } from '../core/errors.ts'
import type { Fields, Place, Values } from './fields.ts'

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
 */
export function readConfig<F extends Fields>(text: string, fields: F, overrides: Overrides = {}): Reading<Values<F>> {
  if (text.length > maxTextBytes) return { ok: false, problems: [{ path: '', message: `longer than ${maxTextBytes} bytes` }] }
  if (text === '') {
    const problems: Problem[] = []
    return readRoot(new DocumentPlace(undefined, '', undefined, problems), fields, overrides, problems)
  }
  const { LineCounter: Lines, parseDocument } = yaml()
  const lines = new Lines()
  const document = parseDocument(text, { lineCounter: lines, schema: 'core', merge: false, uniqueKeys: true, strict: true, prettyErrors: false })
  if (document.errors.length > 0) {
    return { ok: false, problems: document.errors.map((error) => ({ path: '', line: lines.linePos(error.pos[0]).line, message: error.message })) }
  }
  const problems: Problem[] = []
  return readRoot(new DocumentPlace(document.contents ?? undefined, '', lines, problems), fields, overrides, problems)
}

function readRoot<F extends Fields>(root: DocumentPlace, fields: F, overrides: Overrides, problems: Problem[]): Reading<Values<F>> {
  const value = readFields(root, fields, flagTree(overrides))
  return problems.length > 0 || value === undefined ? { ok: false, problems } : { ok: true, value }
}

/**
 * As {@link readConfig}, or throws. @param flags the path that each flag stands for: what is missing is said with its flag
 * @throws {MayflyError} CONFIG_INVALID, one problem a line after the first
 */
export function parseConfig<F extends Fields>(text: string, fields: F, overrides: Overrides = {}, fileName = 'configuration', flags: Readonly<Record<string, string>> = {}): Values<F> {
  const reading = readConfig(text, fields, overrides)
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

function readFields<F extends Fields>(place: DocumentPlace, fields: F, flags: FlagTree): Values<F> | undefined {
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
      values[key] = readFields((child as DocumentPlace | undefined) ?? new DocumentPlace(undefined, path, place.lines, place.problems), field.fields, flag ?? { below: new Map() }) // a group never has a flag of its own
    } else if (child === undefined || child.isNull()) {
      if (field.required) place.problemAt(path, 'required')
      else values[key] = field.default
    } else {
      values[key] = field.read(child)
    }
  }
  return place.problems.length > before ? undefined : (Object.freeze(values) as Values<F>) // every key was read by its field
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
    this.#problems.push({ path: this.path, message: `${message} (given by a flag)` })
    return undefined
  }
}

function nearest(key: string, known: readonly string[]): string {
  const same = known.find((other) => other.toLowerCase().replaceAll(/[_-]/g, '') === key.toLowerCase().replaceAll(/[_-]/g, ''))
  return same === undefined ? `; known are ${known.join(', ')}` : `; did you mean ${same}?`
}
