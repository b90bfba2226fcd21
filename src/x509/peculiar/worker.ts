import { parentPort } from 'node:worker_threads'
import { buildCertificate } from './build-certificate.ts'
import type { SlowPathAnswer, SlowPathRequest } from './slow-path.ts'

const port = parentPort
if (port === null) throw new Error('this module is a worker')

port.on('message', (request: SlowPathRequest) => {
  void answer(request).then((message) => port.postMessage(message))
})

async function answer({ id, spec, signer }: SlowPathRequest): Promise<SlowPathAnswer> {
  try {
    return { id, certificate: await buildCertificate(spec, signer) }
  } catch (error) {
    return { id, problem: error instanceof Error ? error.message : 'unknown' }
  }
}
