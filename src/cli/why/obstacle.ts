/** One thing that stands in the way, and the command that takes it away. */
export interface Obstacle {
  readonly what: string
  readonly mend: string
}
