// Reads an SVID and its key again and again, as a program would that is started at any moment: resolves `current` once and reads within. First argument: the directory.
// Prints {"reads", "torn", "states"} once its input ends.
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

const directory = process.argv[2] ?? '.'
let goesOn = true
let [reads, torn] = [0, 0]
const states = new Set()
process.stdin.on('end', () => (goesOn = false)).resume()

function read() {
  const state = readlinkSync(join(directory, 'current'))
  const key = readFileSync(join(directory, state, 'key.pem'))
  const svid = readFileSync(join(directory, state, 'svid.pem'))
  const both = readFileSync(join(directory, 'both.pem'))
  if (!new X509Certificate(svid).checkPrivateKey(createPrivateKey(key)) || !new X509Certificate(both).checkPrivateKey(createPrivateKey(both))) torn++
  states.add(state)
  reads++
  if (goesOn) setImmediate(read)
  else console.log(JSON.stringify({ event: 'read', reads, torn, states: states.size }))
}
read()
