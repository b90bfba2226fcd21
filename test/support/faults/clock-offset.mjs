// Loaded with `node --import` before a program of the product: its wall clock, and no other, is off by what the file named by MAYFLY_TEST_CLOCK says,
// in ms. Set while the program runs, the clock jumps.
import { readFileSync } from 'node:fs'

const file = process.env.MAYFLY_TEST_CLOCK
const real = Date.now.bind(Date)
let readAt = Number.NEGATIVE_INFINITY
let offsetMs = 0

Date.now = () => {
  const now = performance.now()
  if (file !== undefined && now - readAt > 10) {
    readAt = now
    offsetMs = Number(readFileSync(file, 'utf8'))
  }
  return real() + offsetMs
}
