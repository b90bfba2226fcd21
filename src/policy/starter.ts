/**
 * The policy of a new trust domain: strict and useful. Two broad permits; one forbid for each control, by whose name a denial is told. A control that an
 * exception may waive says so itself, and one that people may lift carries `@approvals("n")`.
 */
export const starterPolicy: Readonly<Record<string, string>> = {
  'permit-what-roles-allow': `permit (principal is Mayfly::Workload, action, resource);`,

  'permit-registered-approvers': `permit (principal is Mayfly::Person, action == Mayfly::Action::"approve", resource) when { principal.roles.contains("approve") };`,

  'owner-answers': `forbid (principal is Mayfly::Workload, action, resource) unless { context.ownerKnown };`,

  'reason-given': `forbid (principal, action == Mayfly::Action::"request", resource)
when { context.reason == "" }
unless { context.exceptions.contains("reason-given") };`,

  'ticket-in-production': `forbid (principal, action == Mayfly::Action::"request", resource)
when { resource.environment == "production" && context.ticket == "" }
unless { context.exceptions.contains("ticket-in-production") };`,

  'binding-fits-data': `forbid (principal is Mayfly::Workload, action in [Mayfly::Action::"activate", Mayfly::Action::"renew"], resource)
when { resource.dataClass >= 2 && principal.tier < 1 }
unless { context.exceptions.contains("binding-fits-data") };`,

  'restricted-data-approved': `@approvals("1")
forbid (principal, action in [Mayfly::Action::"activate", Mayfly::Action::"renew"], resource)
when { resource.dataClass >= 3 && context.approvalsGiven < 1 };`,

  'wider-request-approved': `@approvals("1")
forbid (principal, action == Mayfly::Action::"activate", resource)
when { (context.flags.contains("wider_after_denial") || context.flags.contains("wider_after_expiry")) && context.approvalsGiven < 1 };`,

  'denials-cool-down': `forbid (principal is Mayfly::Workload, action == Mayfly::Action::"request", resource)
when { principal.recentDenials >= 10 }
unless { context.exceptions.contains("denials-cool-down") };`,

  'life-within-limit': `forbid (principal, action in [Mayfly::Action::"request", Mayfly::Action::"activate", Mayfly::Action::"renew"], resource)
when { context.ttlSeconds > context.maxTtlSeconds };`,

  'posture-holds': `forbid (principal, action in [Mayfly::Action::"activate", Mayfly::Action::"renew", Mayfly::Action::"step"], resource)
when { !context.probesFailed.isEmpty() }
unless { context.exceptions.contains("posture-holds") };`,

  'progress-before-renewal': `forbid (principal, action == Mayfly::Action::"renew", resource)
when { context.progressSeconds > 0 && context.progressSecondsAgo > context.progressSeconds };`,

  'flagged-steps-stop': `forbid (principal, action in [Mayfly::Action::"step", Mayfly::Action::"renew"], resource)
when { context.flags.contains("second_use") }
unless { context.exceptions.contains("flagged-steps-stop") };`,

  'approver-is-not-requester': `forbid (principal is Mayfly::Person, action == Mayfly::Action::"approve", resource) when { context.requester == principal.name };`,

  'approver-does-not-own': `forbid (principal is Mayfly::Person, action == Mayfly::Action::"approve", resource) when { principal.name == context.owner || principal.owners.contains(context.owner) };`,
}
