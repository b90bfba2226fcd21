// Stops as the mains do: the first signal aborts, and comes once more at once, as Ctrl-C does through npm; a later one kills.
const { stopOnSignals } = await import('../../../src/system/signals.ts')
const stop = stopOnSignals()
stop.signal.addEventListener('abort', () => {
  process.kill(process.pid, stop.signal.reason.details.signal)
  setImmediate(() => setImmediate(() => process.stdout.write(`${stop.signal.reason.code} ${stop.signal.reason.details.signal}\n`)))
})
setInterval(() => {}, 60_000)
process.stdout.write('ready\n')
