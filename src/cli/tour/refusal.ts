import { MayflyError } from '../../core/errors.ts'

/** What an attack met. */
export interface Refusal {
  readonly code: string
  readonly said: string
}

export interface Attack {
  readonly name: string
  readonly control: string
  /** Why it is not played on this machine. */
  readonly skipped?: string
  /** Resolves with the refusal. @throws when it got through, or when something else failed */
  readonly run: () => Promise<Refusal>
}

/** The refusal that an attack ends with. @throws when it was let through, or failed for another reason than a control */
export async function refusalOf(attack: () => Promise<unknown>): Promise<Refusal> {
  try {
    await attack()
  } catch (error) {
    if (error instanceof MayflyError && !['INTERNAL', 'UNAVAILABLE', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'CANCELLED'].includes(error.code)) return { code: error.code, said: error.message }
    throw error
  }
  throw letThrough()
}

export function letThrough(what = 'it was let through'): MayflyError {
  return new MayflyError('EXPECTATION_FAILED', what)
}
