import { MayflyError } from '../../core/errors.ts'
import { parseSpiffeId, pathOf } from '../../core/spiffe-id.ts'
import { readData } from '../read-data.ts'

/** Who answers for an ID: by the ID itself, or by the longest of the paths above it that are named with a `/*`. */
export class OwnerMap {
  readonly #exact: ReadonlyMap<string, string>
  readonly #below: ReadonlyMap<string, string>
  readonly #otherwise: string

  /** @param rules `/web` or `/payments/*`, or the whole SPIFFE ID, to the name of an owner. @throws {MayflyError} INVALID_ARGUMENT */
  constructor(rules: ReadonlyMap<string, string>, otherwise: string) {
    const exact = new Map<string, string>()
    const below = new Map<string, string>()
    for (const [pattern, owner] of rules) {
      const path = pattern.startsWith('spiffe://') ? pattern.slice('spiffe://'.length).replace(/^[^/]*/, '') : pattern
      if (!path.startsWith('/') || owner === '') throw new MayflyError('INVALID_ARGUMENT', `${JSON.stringify(pattern.slice(0, 100))} is no rule for owners`, { hint: 'write /web or /payments/*, and the name of an owner' })
      if (path.endsWith('/*')) below.set(path.slice(0, -1), owner)
      else exact.set(path, owner)
    }
    this.#exact = exact
    this.#below = below
    this.#otherwise = otherwise
  }

  /** Empty when nobody is named. */
  ownerOf(spiffeId: string): string {
    const path = pathOf(parseSpiffeId(spiffeId))
    const own = this.#exact.get(path)
    if (own !== undefined) return own
    for (let slash = path.lastIndexOf('/'); slash >= 0; slash = slash === 0 ? -1 : path.lastIndexOf('/', slash - 1)) {
      const owner = this.#below.get(path.slice(0, slash + 1))
      if (owner !== undefined) return owner
    }
    return this.#otherwise
  }
}

/** A JSON or YAML file with one object of texts. @throws {MayflyError} NOT_FOUND, INVALID_ARGUMENT */
export async function readTextMap(file: string | undefined, cwd: string, stdin: AsyncIterable<Uint8Array | string>): Promise<ReadonlyMap<string, string>> {
  if (file === undefined) return new Map()
  const content = await readData(file, cwd, stdin)
  if (typeof content !== 'object' || content === null || Array.isArray(content)) throw new MayflyError('INVALID_ARGUMENT', `${file}: an object of texts is wanted`)
  return new Map(
    Object.entries(content).map(([name, value]: [string, unknown]) => {
      if (typeof value !== 'string') throw new MayflyError('INVALID_ARGUMENT', `${file}, ${name.slice(0, 100)}: a text is wanted`)
      return [name, value]
    }),
  )
}

/** `OLD=NEW`, each a SPIFFE ID. @throws {MayflyError} INVALID_ARGUMENT, SPIFFE_ID_INVALID */
export function parentRule(text: string): readonly [from: string, to: string] {
  const at = text.indexOf('=spiffe://')
  if (at < 0) throw new MayflyError('INVALID_ARGUMENT', `${JSON.stringify(text.slice(0, 200))} does not name an old and a new parent`, { hint: 'write --map-parent spiffe://example.org/spire/agent/join_token/old=spiffe://example.org/spire/agent/join_token/new' })
  return [parseSpiffeId(text.slice(0, at)), parseSpiffeId(text.slice(at + 1))]
}
