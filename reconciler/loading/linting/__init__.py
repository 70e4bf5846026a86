"""Lint: what is permitted but seldom meant, in one manifest and in all of them together.

Belongs here: the registry of rules, what projects and manifests make of them, and the rules about labels,
titles, schedules and headers.
Does not belong here: rules of a kind's fields (`providers`).  `load` and `manifests` call it.
"""
