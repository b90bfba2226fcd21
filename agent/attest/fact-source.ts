import type { Selector } from '../../src/core/selector.ts'
import type { ProcessReading, Sha256 } from './ports.ts'

/** A selector that could not be given, such as `unix:path`, and why in a few words. */
export interface MissingFact {
  readonly kind: string
  readonly why: string
}

export interface FoundFacts {
  readonly selectors: readonly Selector[]
  readonly missing: readonly MissingFact[]
}

/** What is known of a process when a source is asked. */
export interface Sighting {
  readonly process: ProcessReading
  /** Of the running file; `undefined` when nobody asked for it. */
  readonly sha256: Sha256 | undefined
  /** Kinds that some entry asks for, such as `docker:label`, or all that roles may, `grantKinds`, when a grant is asked for. What costs a question to somebody is asked only for these. */
  readonly needs: ReadonlySet<string>
}

/**
 * A workload attestor: selectors that follow from one reading of a process. It is asked between two readings that must be alike, and again before each thing that is handed out; what
 * it gave before and gives no more ends the process's streams. It answers in bounded time, and what it cannot tell it lists as missing. Its answer is taken only for the types it names.
 * docs/attestors.md tells how to write one.
 */
export interface FactSource {
  /** First parts of its selectors, such as `docker`. No other source may have them. */
  readonly types: readonly string[]
  /** A promise only where it has to wait: then the process is read once more. */
  find(sighting: Sighting): FoundFacts | Promise<FoundFacts>
}

/** Nothing to say, and nothing amiss. */
export const noFacts: FoundFacts = { selectors: [], missing: [] }

/** What all sources say. A source that fails, or speaks for another, is listed as missing: it takes nobody else's facts away. */
export function factsOf(sources: readonly FactSource[], sighting: Sighting): FoundFacts | Promise<FoundFacts> {
  const answers = sources.map((source) => {
    try {
      const found = source.find(sighting)
      return found instanceof Promise ? found.then((late) => ofItsOwn(source, late), (error: unknown) => failed(source, error)) : ofItsOwn(source, found)
    } catch (error) {
      return failed(source, error)
    }
  })
  const early = answers.filter((answer): answer is FoundFacts => !(answer instanceof Promise))
  if (early.length === answers.length) return joined(early)
  return Promise.all(answers.map(async (answer) => await answer)).then(joined)
}

function joined(found: readonly FoundFacts[]): FoundFacts {
  return { selectors: found.flatMap(({ selectors }) => selectors), missing: found.flatMap(({ missing }) => missing) }
}

function ofItsOwn({ types }: FactSource, found: FoundFacts): FoundFacts {
  const isOwn = ({ type }: Selector): boolean => types.includes(type)
  return found.selectors.every(isOwn) ? found : { selectors: found.selectors.filter(isOwn), missing: found.missing }
}

function failed({ types }: FactSource, error: unknown): FoundFacts {
  const why = error instanceof Error ? error.message : 'it could not be told'
  return { selectors: [], missing: types.map((kind) => ({ kind, why })) }
}
