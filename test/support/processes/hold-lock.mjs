// Takes the lock at argv[2], says so, and keeps it until killed.
const { FileLock } = await import('../../../src/system/file-lock.ts')
const lock = FileLock.acquire(process.argv[2])
process.stdout.write(`held ${lock.path}\n`)
setInterval(() => {}, 60_000)
