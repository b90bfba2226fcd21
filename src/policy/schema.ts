/** The schema that every policy is checked against, in Cedar's own notation; `docs/policy.md` explains each fact. */
export const policySchema: string = `
namespace Mayfly {
  // A task at the moment it asks: facts that its agent attested.
  entity Workload {
    id: String,
    agent: String,
    selectors: Set<String>,
    // 0 pid, 1 pidfd, 2 cgroup: the higher, the surer that the task alone holds the grant
    tier: Long,
    owner: String,
    recentDenials: Long,
    recentExpiries: Long,
  };
  // A registered person.
  entity Person {
    name: String,
    owners: Set<String>,
    roles: Set<String>,
  };
  // What it is done to; data class and place as the grant role has them.
  entity Resource {
    name: String,
    // 0 public, 1 internal, 2 confidential, 3 restricted
    dataClass: Long,
    system: String,
    environment: String,
    tenant: String,
  };
  type Facts = {
    role: String,
    owner: String,
    ownerKnown: Bool,
    requester: String,
    actions: Set<String>,
    reason: String,
    ticket: String,
    expectedOutcome: String,
    // UTC: minute of the day, and day of the week, 1 (Monday) to 7
    minuteOfDay: Long,
    weekday: Long,
    nowSeconds: Long,
    ttlSeconds: Long,
    maxTtlSeconds: Long,
    secondsSinceActivation: Long,
    budgetRenewals: Long,
    budgetSteps: Long,
    usedRenewals: Long,
    usedSteps: Long,
    depth: Long,
    approvalsGiven: Long,
    approvalsNeeded: Long,
    approvers: Set<String>,
    flags: Set<String>,
    probesFailed: Set<String>,
    progressSeconds: Long,
    progressSecondsAgo: Long,
    exceptions: Set<String>,
  };
  action request, activate, renew, step appliesTo { principal: Workload, resource: Resource, context: Facts };
  action approve appliesTo { principal: Person, resource: Resource, context: Facts };
}
`
