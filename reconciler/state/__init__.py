"""The log: what was intended and what came of it, and the state it folds to.

Belongs here: the codec of entries (`codec`), the fold (`fold`), the chain of batches (`chain`), checkpoints
(`snapshot`), the journal that many callers write through (`log`) and what it could not record (`rescue`), the lease
(`lease`), who holds it (`holder`) and whether they live (`watch`), logs in files (`exported`), and the storage below
(`backends/`).
Does not belong here: what to do about the state; that is planning, and doing it is the engine.
Only `app` calls this room; a run sees it through `model.ports.Journal`, a backend is `model.ports.Backend`.
"""
