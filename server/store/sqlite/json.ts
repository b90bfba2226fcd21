/** An answer that is JSON text already: cheaper to send to another thread than the objects. */
export class Json<T> {
  declare readonly type?: T
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}
