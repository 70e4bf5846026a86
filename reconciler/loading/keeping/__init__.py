"""What was loaded the last time, kept for an unchanged folder and believed only when it is provably ours.

Belongs here: the cache's file, its codec, and the user's key.
Does not belong here: reading manifests.  `load` calls `cache.Cache`.
"""
