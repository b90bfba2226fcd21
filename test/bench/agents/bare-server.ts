// What agents cannot do without: TLS with certificates on both sides and one gRPC stream, from a server that decides nothing. First line of its input, JSON: {"port", "key", "cert", "ca"}.
// Says {"event": "serving", "port"}; ends with its input.
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { methodOf } from '../../../src/rpc/services.ts'

const [line] = (await once(createInterface(process.stdin).on('close', () => process.exit(0)), 'line')) as [string] // what 'line' brings
const { port, key, cert, ca } = JSON.parse(line) as { readonly port: number; readonly key: string; readonly cert: string; readonly ca: string } // our own bench wrote it
const { requestSerialize, requestDeserialize, responseSerialize, responseDeserialize } = methodOf('mayfly.v1.Sync', 'Connect')
const server = new Server()
server.addService(
  { Connect: { path: '/mayfly.v1.Sync/Connect', requestStream: true, responseStream: true, requestSerialize, requestDeserialize, responseSerialize, responseDeserialize } },
  {
    Connect: (call: ServerDuplexStream<object, object>) => {
      call.on('error', () => undefined).on('data', () => {
        call.write({ snapshot: { entries: [], complete: true } })
        call.write({ revocations: { frame: Buffer.alloc(200) } })
      })
    },
  },
)
const credentials = ServerCredentials.createSsl(Buffer.from(ca), [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }], true)
server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => {
  if (error !== null) throw error
  console.log(JSON.stringify({ event: 'serving', port: bound }))
})
