// A bare node:http server in a process of its own that reads a question and says yes: the limit beside a step over HTTP. Its socket is its argument.
import { createServer } from 'node:http'

process.on('disconnect', () => process.exit(0))
createServer((question, answer) => {
  question.on('end', () => answer.writeHead(200, { 'content-type': 'application/json' }).end('{"allowed":true}\n')).resume()
}).listen(process.argv[2], () => process.send?.('listening'))
