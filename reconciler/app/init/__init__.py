"""The project that `init` writes.

Belongs here: the files of a small project that works at once (`texts`), and putting them into a folder without ever
replacing anything (`project`).
Does not belong here: what manifests mean; the files say it in comments, `explain` in full.
"""
