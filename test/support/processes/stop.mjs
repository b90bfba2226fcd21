// Stops as the mains do: the first signal aborts, the second kills.
const { stopOnSignals } = await import('../../../src/system/signals.ts')
const stop = stopOnSignals()
stop.signal.addEventListener('abort', () => process.stdout.write(`${stop.signal.reason.code} ${stop.signal.reason.details.signal}\n`))
setInterval(() => {}, 60_000)
process.stdout.write('ready\n')
