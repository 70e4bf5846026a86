"""An emulator of Pipefy's GraphQL API: saved reports, exports, their files, and the look-ups around them.

Belongs here: `schema.graphql` and its resolvers, the filter's evaluation, tokens, signed file addresses
and the wording of errors, as Pipefy's API reference has them; what it leaves open is a switch.
Does not belong here: anything the client of Pipefy in `providers` could share.
Callers: `sandbox.server`, through `endpoint`, and tests.
"""
