import { request } from 'node:http'
import { MayflyError } from '../../src/core/errors.ts'

/** One GET at an address that was chosen before: what the name resolves to by now is of no interest. */
export interface NonceRequest {
  readonly address: string
  readonly port: number
  /** For the header `host` alone. */
  readonly hostName: string
  readonly path: string
}

const maxBodyBytes = 512
const maxHeaderBytes = 8_192

/** The body, trimmed. Only 200 is an answer; nothing is followed. @throws {MayflyError} ATTESTATION_REFUSED, and what the signal was aborted with */
export async function fetchNonce({ address, port, hostName, path }: NonceRequest, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const host = port === 80 ? hostName : `${hostName}:${port}`
  const asking = request({ host: address, port, path, method: 'GET', headers: { host, accept: 'text/plain', connection: 'close' }, agent: false, signal, maxHeaderSize: maxHeaderBytes }, (response) => {
    const chunks: Buffer[] = []
    let size = 0
    const stop = (why: string): void => {
      reject(refused(why))
      asking.destroy()
    }
    if (response.statusCode !== 200) {
      stop(`the host answered ${response.statusCode ?? 0} instead of 200`)
      return
    }
    response.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > maxBodyBytes) stop(`the host answered more than ${maxBodyBytes} bytes`)
      else chunks.push(chunk)
    })
    response.on('end', () => resolve(Buffer.concat(chunks).toString('latin1').trim()))
    response.on('error', (cause) => reject(signal.aborted ? reasonOf(signal, cause) : refused('the host broke off its answer', cause)))
  })
  asking.on('error', (cause) => reject(signal.aborted ? reasonOf(signal, cause) : refused('the host could not be asked for the nonce', cause)))
  asking.end()
  return await promise
}

function reasonOf(signal: AbortSignal, cause: unknown): MayflyError {
  return signal.reason instanceof MayflyError ? signal.reason : refused('the host was given up', cause)
}

function refused(why: string, cause?: unknown): MayflyError {
  return new MayflyError('ATTESTATION_REFUSED', why, { cause })
}
