import process from 'node:process'
import { destination, pino, stdSerializers } from 'pino'
import type { LogFact, Logger } from '../ports/logger.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** The log of a process: JSON, a line each, on standard error. Of a thrown `error` among the facts it says message, code and stack. */
export class ProcessLog implements Logger {
  #level: LogLevel
  readonly #pino: pino.Logger

  constructor(level: LogLevel) {
    this.#level = level
    this.#pino = pino({ level, base: { pid: process.pid }, serializers: { error: stdSerializers.err } }, destination({ dest: 2, sync: true }))
  }

  get level(): LogLevel {
    return this.#level
  }

  set level(level: LogLevel) {
    this.#level = this.#pino.level = level
  }

  debug(fact: LogFact, text: string): void {
    this.#pino.debug(fact, text)
  }

  info(fact: LogFact, text: string): void {
    this.#pino.info(fact, text)
  }

  warn(fact: LogFact, text: string): void {
    this.#pino.warn(fact, text)
  }

  error(fact: LogFact, text: string): void {
    this.#pino.error(fact, text)
  }
}
