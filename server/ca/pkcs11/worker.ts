import { parentPort, workerData } from 'node:worker_threads'
import { MayflyError, type ErrorCode } from '../../../src/core/errors.ts'
import type { KeyType } from '../../../src/core/key-type.ts'
import { loadGraphene } from './graphene.ts'
import { Token, type TokenConfig } from './token.ts'

export type TokenRequest = { readonly id: number } & (
  | { readonly kind: 'create'; readonly name: string; readonly type: KeyType }
  | { readonly kind: 'load' | 'remove'; readonly name: string }
  | { readonly kind: 'sign'; readonly name: string; readonly data: Uint8Array }
  | { readonly kind: 'close' }
)

export type TokenAnswer =
  | { readonly id: number; readonly bytes: Uint8Array | undefined }
  | { readonly id: number; readonly problem: { readonly code: ErrorCode; readonly message: string; readonly hint: string | undefined } }

const port = parentPort
if (port === null) throw new Error('this module is a worker')
const { config, pin } = workerData as { readonly config: TokenConfig; readonly pin: string } // whoever starts this thread gives these
let token: Token | undefined

port.on('message', (request: TokenRequest) => port.postMessage(answerTo(request)))

function answerTo(request: TokenRequest): TokenAnswer {
  try {
    return { id: request.id, bytes: done(request) }
  } catch (error) {
    const { code, message, hint } = error instanceof MayflyError ? error : new MayflyError('INTERNAL', `the token thread failed: ${String(error)}`)
    return { id: request.id, problem: { code, message, hint } }
  }
}

function done(request: TokenRequest): Uint8Array | undefined {
  if (request.kind === 'close') {
    token?.close()
    return undefined
  }
  token ??= new Token(loadGraphene(), config, pin)
  switch (request.kind) {
    case 'create':
      return token.create(request.name, request.type)
    case 'load':
      return token.load(request.name)
    case 'sign':
      return token.sign(request.name, request.data)
    case 'remove':
      token.remove(request.name)
      return undefined
    default:
      return request satisfies never
  }
}
