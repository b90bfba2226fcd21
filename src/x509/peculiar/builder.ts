import { buildToBeSigned } from './build-certificate.ts'
import type { SlowPathAnswer, SlowPathRequest } from './slow-path.ts'

process.on('message', (request: SlowPathRequest) => {
  void answer(request).then((message) => process.send?.(message, () => undefined)) // whoever asked may have been killed meanwhile: 'disconnect' follows
})
process.on('disconnect', () => process.exit(0)) // whoever started this is gone

async function answer({ id, spec, signedBy }: SlowPathRequest): Promise<SlowPathAnswer> {
  try {
    return { id, toBeSigned: await buildToBeSigned(spec, signedBy) }
  } catch (error) {
    return { id, problem: error instanceof Error ? error.message : 'unknown' }
  }
}
