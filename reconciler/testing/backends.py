"""What every storage of logs promises, as tests.  How to try a backend of your own:

1. Write the backend: `model.ports.Backend` says what each method promises.  Batches are any bytes.
2. Write a storage, as `Storage` describes it: it opens handles on one empty place, damages what is in it, and makes it
   unavailable.  A proxy between client and server does for `cut` and `lose_answers`; for files, move them away.
3. Subclass the suite in a test module, and give it the storage:

       from reconciler.testing.backends import BackendContract

       class TestMine(BackendContract):
           opener = "acme.backends:open_mine"  # open_mine(url, log) -> Backend, for tests in several processes

           @pytest.fixture
           def storage(self, tmp_path):
               made = MyStorage(tmp_path)
               yield made
               made.close()  # every handle that it opened

4. Where each append takes long, make the class attributes smaller: `batches`, `contended`, `writers`, `kills`,
   `large`, `heavy`, `entries`, `stride` (each how-many-th byte is damaged).  What is left out then is not promised.

The parts may be subclassed alone: `BatchContract` (order, durability, conflicts, races), `FailureContract` (what is in
doubt), `LogContract` (damage, checkpoints, archives, a whole life).
"""

from __future__ import annotations

from reconciler.testing.batches import BatchContract
from reconciler.testing.failures import FailureContract
from reconciler.testing.logs import LogContract
from reconciler.testing.storage import LOG, Open, Storage, rows

__all__ = ["LOG", "BackendContract", "BatchContract", "FailureContract", "LogContract", "Open", "Storage", "rows"]


class BackendContract(BatchContract, FailureContract, LogContract):
    """The promises of `model.ports.Backend`; a subclass provides the fixture `storage`, see above."""
