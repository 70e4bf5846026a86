"""Manifests that many tests begin with."""

PROJECT = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\n"
BLUE = """\
apiVersion: blue/v1
kind: Report
metadata: {name: sales}
spec:
  title: Test sales
  dataSources: [{filters: {done: false}}]
"""
EXPORT = """\
apiVersion: pipefy/v1
kind: Export
metadata: {name: cards}
spec:
  pipeIds: [301000001]
  columns: [priority, title, due_date]
"""
