"""The canonical form of YAML files, made out of the text itself: nothing is parsed away and written anew.

Belongs here: laying tokens and comments out again (`scan`, `layout`, `lines`), the proof that a text still says
what it said (`proof`), former versions rewritten (`upgrade`), and what becomes of which file (`files`).
Does not belong here: what fields mean, writing files.  `app` calls `files`, nobody anything else.

Indentation is two columns a level, lists below their key included.  Lines stay lines: nothing is wrapped or joined
(but a dash with what stands alone below it), comments keep the column they share, single quotes become double ones
where that changes nothing.  Every result is read again; a text that does not say the same is left alone.
"""
