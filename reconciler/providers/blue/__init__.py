"""Blue (blue.cc): reports over the records of workspaces.

`service` holds the hosts, variables and defaults, `report` the kind, `models` its declared form,
`documents` what is sent, `provider` the port.  Only the registry calls this folder.
"""
