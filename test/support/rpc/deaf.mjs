// Listens with a queue of one, says where, and stands still for ever.
import { createServer } from 'node:net'

const server = createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
  process.send(server.address().port, () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
})
