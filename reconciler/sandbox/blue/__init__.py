"""An emulator of Blue's GraphQL API: reports, their data, and the lookups that turn names into ids.

Belongs here: the SDL (`schema.graphql`), resolvers as thin as a call, and the rules behind them in
plain modules (`reports`, `scope`, `filters`, `records`, `exports`, `lookups`, `rate`).  Does not
belong here: transport, faults, storage and the invented world, which both emulators share.
Where Blue's pages are silent or disagree a switch decides, or a docstring says what was chosen.
Callers: the sandbox's application and tests, through `endpoint.endpoint` only.
"""
