"""Files, text and YAML: plain data with the place of every key and value.

Belongs here: finding and reading files safely, YAML 1.2 with marks, what is wrong with either, and
where it stands.
Does not belong here: what the data mean.  The rest of `loading` calls it.
"""
