#!/usr/bin/env node
'use strict'
// The bin of the published package. Old syntax on purpose: a Node that is too old must still be able to read this far.
var major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error('mayfly: needs Node 24 or newer, and this is ' + process.versions.node)
  console.error('hint: install Node 24 from your package manager, or try: npx --yes --package=node@24 -- node ' + __filename)
  process.exit(1)
}
require('./src/cli/main.js')
