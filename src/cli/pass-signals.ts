import process from 'node:process'

/** Signals that are for a command, not for who runs it. */
const passedOn = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH'] as const

/**
 * From now on these signals are the command's alone. Call it before the command runs: it may send one at once. The new listener comes before the old ones
 * go, since a signal that is on its way to the last listener of its name is lost with it.
 *
 * @param kill told the signal's name; not of those that a terminal has sent to the command already (Ctrl-C and Ctrl-\)
 */
export function passSignals(kill: (name: NodeJS.Signals) => void): void {
  for (const name of passedOn) {
    const before = process.listeners(name)
    process.on(name, () => {
      if ((name !== 'SIGINT' && name !== 'SIGQUIT') || !process.stdin.isTTY) kill(name)
    })
    for (const listener of before) process.removeListener(name, listener)
  }
}
