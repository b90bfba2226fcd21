import type { Order, ToolCall } from './tools.ts'

/** What came of a call: its result, or why it was not made. */
export type Observation = { readonly call: ToolCall; readonly result: unknown } | { readonly call: ToolCall; readonly denied: readonly string[]; readonly hint: string }

/** What the agent can be set to do. */
export const goals = ['remove duplicates', 'watch for ever'] as const
export type Goal = (typeof goals)[number]

/** Chooses the next call from the goal and from all that was observed; `undefined` when it is done. A model would stand here. */
export function nextCall(goal: Goal, seen: readonly Observation[]): ToolCall | undefined {
  if (goal === 'watch for ever') return { tool: 'list_orders' }
  const orders = seen.findLast((observation) => 'result' in observation && observation.call.tool === 'list_orders')
  if (orders === undefined || !('result' in orders)) return { tool: 'list_orders' }
  const duplicates = duplicatesAmong(orders.result as readonly Order[]) // what list_orders gives
  if (!seen.some(({ call }) => call.tool === 'send_mail')) return { tool: 'send_mail', to: 'customers', text: `about to remove ${duplicates.length} duplicate orders` }
  const left = duplicates.filter(({ id }) => !seen.some(({ call }) => call.tool === 'delete_order' && call.id === id))
  const [next] = left
  if (next !== undefined) return { tool: 'delete_order', id: next.id }
  if (seen.some(({ call }) => call.tool === 'report')) return undefined
  const removed = seen.filter((observation) => observation.call.tool === 'delete_order' && 'result' in observation).length
  const mail = seen.find((observation) => observation.call.tool === 'send_mail')
  return { tool: 'report', text: `${removed} duplicates removed${mail !== undefined && 'denied' in mail ? '; nobody was mailed, since that is outside of what I was given' : ''}` }
}

function duplicatesAmong(orders: readonly Order[]): Order[] {
  return orders.filter((order, at) => orders.findIndex((other) => other.customer === order.customer && other.item === order.item) < at)
}
