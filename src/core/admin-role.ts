/** What an administrator may do (design 7): look; register entries, agents, roles and owners; end access; decide on policy and people; change authorities; everything. */
export type AdminRole = 'read' | 'register' | 'revoke' | 'policy' | 'authority' | 'root'

export const adminRoles: readonly AdminRole[] = ['read', 'register', 'revoke', 'policy', 'authority', 'root']

export const rootAlone: ReadonlySet<AdminRole> = new Set<AdminRole>(['root'])

export function isAdminRole(text: string): text is AdminRole {
  return adminRoles.some((role) => role === text)
}

/** Whether whoever has these roles may do what takes this one: root may do everything, and every administrator may look. */
export function mayAct(roles: ReadonlySet<AdminRole>, wanted: AdminRole): boolean {
  return roles.has('root') || roles.has(wanted) || (wanted === 'read' && roles.size > 0)
}
