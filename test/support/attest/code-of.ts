import { MayflyError } from '../../../src/core/errors.ts'

/** The code that a promise is rejected with; `accepted` when it is not. Anything but an error of ours is thrown on. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'accepted'
  } catch (error) {
    if (error instanceof MayflyError) return error.code
    throw error
  }
}
