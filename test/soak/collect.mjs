// Preloaded into every process and thread of a soak: collects all garbage each ten seconds and gives its pages back, so that what is measured is what is held. Left to itself V8 lets
// garbage grow for a quarter of an hour, and the room for what is young for longer, which looks like a leak in any shorter run.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')
setFlagsFromString('--no-expose-gc')
setInterval(() => collect({ type: 'major', execution: 'sync', flavor: 'last-resort' }), 10_000).unref()
