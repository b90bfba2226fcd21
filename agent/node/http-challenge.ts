import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { formatHttpChallengePayload, httpChallengeAnswer, httpChallengePath, parseHttpChallenge } from '../../src/attest/http-challenge.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { HttpChallengeConfig } from './config.ts'
import type { NodeAttestor } from './node-attestor.ts'

const requestLimitMs = 10_000
const maxConnections = 64

/** Serves the server's nonce over HTTP for as long as the attestation lasts, to whoever asks: it is no secret, and good for nothing afterwards. */
export function httpChallenge(config: HttpChallengeConfig): NodeAttestor {
  return {
    type: 'http_challenge',
    again: true,
    async *attest() {
      const { hostName, agentName, listen } = config
      let nonce: string | undefined
      const server = await listening(listen, (path) => (path === httpChallengePath(agentName) ? nonce : undefined))
      try {
        const challenge = yield formatHttpChallengePayload({ hostName, agentName, port: config.advertisedPort ?? portOf(server) })
        nonce = parseHttpChallenge(challenge)
        yield httpChallengeAnswer
      } finally {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
    },
  }
}

async function listening({ host, port }: HttpChallengeConfig['listen'], textAt: (path: string) => string | undefined): Promise<Server> {
  const server = createServer({ requestTimeout: requestLimitMs, headersTimeout: requestLimitMs, maxHeaderSize: 8_192 }, (request, response) => {
    const text = request.method === 'GET' ? textAt(request.url ?? '') : undefined
    response.writeHead(text === undefined ? 404 : 200, { 'content-type': 'text/plain', 'cache-control': 'no-store', connection: 'close' })
    response.end(text === undefined ? '' : `${text}\n`)
  })
  server.maxConnections = maxConnections
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  server.once('error', reject)
  server.listen(port, host, () => resolve(undefined))
  try {
    await promise
  } catch (cause) {
    throw new MayflyError('CONFIG_INVALID', `nodeAttestor.httpChallenge.listen: cannot listen on ${host}:${port}`, { cause, hint: 'a port below 1024 needs root or CAP_NET_BIND_SERVICE, and nobody else on it' })
  }
  return server
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
