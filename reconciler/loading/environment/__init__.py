"""The values that templates see: files of environments, what the command line sets, listed variables.

Belongs here: reading and merging them, where each comes from, and the schema a project declares for them.
Does not belong here: templates (`templating`) and defaults of manifests.  `load` calls it.
"""
