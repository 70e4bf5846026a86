"""`reconciler state`: the log for operators; `group` is the command, the other modules hold what stands below it."""
