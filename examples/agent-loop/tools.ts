import { request } from 'node:https'
import type { SpiffeAgent } from '../../src/client/index.ts'

/** An order as the service has it. */
export interface Order {
  readonly id: number
  readonly customer: string
  readonly item: string
}

/** A call that the planner chose. */
export type ToolCall =
  | { readonly tool: 'list_orders' }
  | { readonly tool: 'send_mail'; readonly to: string; readonly text: string }
  | { readonly tool: 'delete_order'; readonly id: number }
  | { readonly tool: 'report'; readonly text: string }

/** Which action on which resource a call is: what is asked for before it is made. `undefined`: it touches nothing. */
export function stepOf(call: ToolCall): { readonly action: string; readonly resource: string; readonly description: string } | undefined {
  switch (call.tool) {
    case 'list_orders':
      return { action: 'read', resource: 'db:orders', description: 'list all orders' }
    case 'send_mail':
      return { action: 'send', resource: `mail:${call.to}`, description: call.text }
    case 'delete_order':
      return { action: 'delete', resource: 'db:orders', description: `delete order ${call.id}` }
    case 'report':
      return undefined
    default:
      return call satisfies never
  }
}

/** Makes the call, over mTLS with the grant's identity. */
export async function perform(call: ToolCall, orders: { readonly port: number; readonly agent: SpiffeAgent; readonly signal: AbortSignal }): Promise<unknown> {
  switch (call.tool) {
    case 'list_orders':
      return await ask('GET', '/orders', orders)
    case 'delete_order':
      return await ask('DELETE', `/orders/${call.id}`, orders)
    case 'send_mail':
      throw new Error('there is no mail here: the step is denied before')
    case 'report':
      return call.text
    default:
      return call satisfies never
  }
}

async function ask(method: string, path: string, { port, agent, signal }: Parameters<typeof perform>[1]): Promise<unknown> {
  return await new Promise((resolve, reject) => {
    const asking = request({ method, path, host: '127.0.0.1', port, agent, signal }, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part)).on('end', () => resolve(JSON.parse(Buffer.concat(parts).toString() || 'null')))
    })
    asking.on('error', reject).end()
  })
}
