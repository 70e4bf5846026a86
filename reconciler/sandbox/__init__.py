"""Local emulators of both services, so that everything can be tried with no account and no network.

Belongs here: the two emulators (`blue/`, `pipefy/`, each schema-first from its own SDL file), the
document store and the invented world behind them, behaviour switches, injected faults, and the ASGI
application with its server.  Does not belong here: anything the program needs to talk to a real
service; the emulators share no code with the clients they are used to test.
Callers: `app` (in process, and for `sandbox serve`) and tests.  The libraries of the extra
`sandbox` are imported by `server` and below, never by this package itself.
"""
