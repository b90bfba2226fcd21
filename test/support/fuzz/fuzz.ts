import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { fromHex, toHex } from '../../../src/core/bytes.ts'

/** How an input is kept as a small text file. */
export interface Form<T> {
  readonly suffix: 'hex' | 'json'
  encode(input: T): string
  decode(text: string): T
}

export const hexForm: Form<Uint8Array> = { suffix: 'hex', encode: toHex, decode: hexOf }
/** One element a line. */
export const hexLinesForm: Form<readonly Uint8Array[]> = {
  suffix: 'hex',
  encode: (parts) => parts.map(toHex).join('\n'),
  decode: (text) => (text === '' ? [] : text.split('\n').map(hexOf)),
}
export const textForm: Form<string> = { suffix: 'json', encode: JSON.stringify, decode: (text) => String(JSON.parse(text)) }

const corpus = join(import.meta.dirname, '../../fuzz/corpus')
const seconds = process.env['MAYFLY_FUZZ_SECONDS'] === undefined ? undefined : Number(process.env['MAYFLY_FUZZ_SECONDS'])
/** Draws the same inputs again; a new seed each time when it is unset. */
const seed = process.env['MAYFLY_FUZZ_SEED'] === undefined ? {} : { seed: Number(process.env['MAYFLY_FUZZ_SEED']) }
const fewRuns = 60

/**
 * A target: first each input kept in `test/fuzz/corpus/<target>`, then new ones for MAYFLY_FUZZ_SECONDS, or a few when that is unset.
 * A failure names the smallest input found, as the file to keep.
 * @param check throws for what must not be
 * @param share of that time, for what needs less
 */
export function fuzz<T>(target: string, claim: string, form: Form<T>, inputs: fc.Arbitrary<T>, check: (input: T) => void, share = 1): void {
  describe(target, () => {
    keptInputs(target, form, check)
    test(claim, () => {
      report(target, form, fc.check(fc.property(inputs, check), bounds(share)))
    }, timeoutMs)
  })
}

/** As {@link fuzz}, for what answers later. `conclude` runs once, after all inputs. */
export function fuzzCalls<T>(target: string, claim: string, form: Form<T>, inputs: fc.Arbitrary<T>, check: (input: T) => Promise<void>, conclude: () => Promise<void>, share = 1): void {
  describe(target, () => {
    keptInputs(target, form, check)
    test(claim, async () => {
      report(target, form, await fc.check(fc.asyncProperty(inputs, check), bounds(share)))
      await conclude()
    }, timeoutMs)
  })
}

const timeoutMs = (seconds ?? 0) * 1_000 + 60_000

function keptInputs<T>(target: string, form: Form<T>, check: (input: T) => void | Promise<void>): void {
  const folder = join(corpus, target)
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(`.${form.suffix}`)) : []
  test.each(names)('kept: %s', async (name) => {
    await check(form.decode(readFileSync(join(folder, name), 'utf8').trim()))
  })
}

function bounds<T>(share: number): fc.Parameters<[T]> {
  return seconds === undefined ? { ...seed, numRuns: fewRuns } : { ...seed, numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: seconds * share * 1_000, markInterruptAsFailure: false, maxSkipsPerRun: 1_000 }
}

function report<T>(target: string, form: Form<T>, details: fc.RunDetails<[T]>): void {
  if (!details.failed) {
    if (seconds !== undefined) console.error(`fuzz ${target}: ${details.numRuns} inputs, seed ${details.seed}`)
    return
  }
  if (details.counterexample === null) throw new Error('not one input was tried in the time')
  const text = form.encode(details.counterexample[0])
  const name = createHash('sha256').update(text).digest('hex').slice(0, 12)
  throw new Error(`keep it as test/fuzz/corpus/${target}/${name}.${form.suffix}:\n${text}\n(seed ${details.seed}, path ${details.counterexamplePath ?? ''}, after ${details.numRuns} inputs)`, { cause: details.errorInstance })
}

function hexOf(text: string): Uint8Array {
  const bytes = fromHex(text.trim())
  if (bytes === undefined) throw new Error('a corpus file is not hexadecimal')
  return bytes
}
