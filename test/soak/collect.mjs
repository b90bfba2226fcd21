// Preloaded into every process and thread of a soak: collects all garbage each ten seconds, so that what is measured is what is held. Left to itself V8 lets garbage
// grow for a quarter of an hour, which looks like a leak in any shorter run.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')
setFlagsFromString('--no-expose-gc')
setInterval(() => collect({ type: 'major', execution: 'sync' }), 10_000).unref()
