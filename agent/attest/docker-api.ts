import { request } from 'node:http'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'

/** What a container was made of, as its daemon says; none of it changes while it exists. */
export interface ContainerFacts {
  readonly labels: Readonly<Record<string, string>>
  /** `NAME=value` each. */
  readonly env: readonly string[]
  /** As whoever made it called it, `registry/web:1`. */
  readonly image: string
  /** `sha256:…` of the image's configuration: what runs, however it is called. */
  readonly imageDigest: string
}

const limitMs = 2_000
const maxBytes = 1_048_576

/** Asks a daemon with Docker's API (Podman has it too) for one container. @throws {MayflyError} NOT_FOUND, UNAVAILABLE, RESPONSE_INVALID */
export async function inspectContainer(socketPath: string, id: string, clock: Clock): Promise<ContainerFacts> {
  const over = new AbortController()
  const limit = clock.sleep(limitMs, over.signal).then(() => {
    throw new MayflyError('UNAVAILABLE', `${socketPath} did not answer within ${limitMs / 1_000} s`)
  })
  try {
    return factsIn(await Promise.race([body(socketPath, `/containers/${id}/json`, over.signal), limit]), id)
  } finally {
    over.abort()
    await limit.catch(() => undefined) // it was only a limit
  }
}

async function body(socketPath: string, path: string, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const asking = request({ socketPath, path, method: 'GET', headers: { host: 'docker', connection: 'close' }, agent: false, signal, maxHeaderSize: 16_384 }, (response) => {
    const chunks: Buffer[] = []
    let size = 0
    const stop = (problem: MayflyError): void => {
      reject(problem)
      asking.destroy()
    }
    if (response.statusCode !== 200) {
      stop(response.statusCode === 404 ? new MayflyError('NOT_FOUND', 'the daemon knows no such container') : new MayflyError('UNAVAILABLE', `the daemon answered ${response.statusCode ?? 0}`))
      return
    }
    response.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > maxBytes) stop(new MayflyError('RESPONSE_INVALID', `the daemon answered more than ${maxBytes} bytes`))
      else chunks.push(chunk)
    })
    response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
    response.on('error', (cause) => reject(new MayflyError('UNAVAILABLE', 'the daemon broke off its answer', { cause })))
  })
  asking.on('error', (cause) => reject(new MayflyError('UNAVAILABLE', `no daemon answers at ${socketPath}`, { cause })))
  asking.end()
  return await promise
}

/** Of Docker's answer what is used, each of the type that it must have. @throws {MayflyError} RESPONSE_INVALID */
export function factsIn(text: string, id: string): ContainerFacts {
  const container = objectOf(parsed(text))
  if (container['Id'] !== id) throw invalid('it is about another container')
  const config = objectOf(container['Config'])
  const labels = Object.entries(objectOf(config['Labels'] ?? {})).map(([name, value]): [string, string] => [name, textOf(value)])
  const env = config['Env'] ?? []
  if (!Array.isArray(env)) throw invalid('its environment is no list')
  return { labels: Object.fromEntries(labels), env: env.map(textOf), image: textOf(config['Image'] ?? ''), imageDigest: textOf(container['Image'] ?? '') }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalid('it is no JSON')
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('a part of it is no object')
  return value as Record<string, unknown> // an object of JSON
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw invalid('a part of it is no text')
  return value
}

function invalid(why: string): MayflyError {
  return new MayflyError('RESPONSE_INVALID', `the daemon's answer is not Docker's: ${why}`)
}
