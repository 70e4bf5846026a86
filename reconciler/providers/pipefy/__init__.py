"""Pipefy: saved organization reports, and exports of organization reports as XLSX files.

`service` holds the hosts, variables and defaults, `report` and `export` the kinds, `models` their
declared form, `filters` the filter grammar, `documents` what is sent, `provider` the port.  `expression` reads
filters that are written as short texts (`tokens`, `parser`), `printer` writes them, `pattern` is for editors.
Only the registry calls this folder.
"""
