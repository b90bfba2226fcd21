import { openAt } from './open.ts'

// opens the store that is named and keeps it until killed
const store = await openAt(process.argv[2] ?? '')
console.log(`holding ${store.domain.trustDomain}`)
