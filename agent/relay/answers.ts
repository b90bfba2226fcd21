import type { ReportAnswer } from '../../proto/generated/mayfly/v1/ReportAnswer.ts'
import { Wake } from '../wake.ts'
import type { Tell } from './verifier-reports.ts'

/** Whoever does not read is told when it registers again. */
const maxWaiting = 1_000

/** Takes reports until they end, and gives meanwhile which registrations were refused. @throws what taking throws */
export async function* answersWhile(take: (tell: Tell) => Promise<void>): AsyncGenerator<ReportAnswer, void, undefined> {
  const answers: ReportAnswer[] = []
  const wake = new Wake()
  const over = new AbortController()
  const tell: Tell = (answer) => {
    if (answers.length < maxWaiting) answers.push(answer)
    wake.ring()
  }
  const taking = take(tell).finally(() => over.abort())
  taking.catch(() => undefined) // thrown below
  while (!over.signal.aborted) {
    await wake.heard(over.signal).catch(() => undefined) // only aborts
    for (let answer = answers.shift(); answer !== undefined; answer = answers.shift()) yield answer
  }
  await taking
}
