/** What this process has worked since it began, in ms: unlike the clock it does not count what others on the machine do meanwhile. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
