"""The composition root: which object stands behind which port, for one set of settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, closing
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reconciler.app.clock import SystemClock, clock_from
from reconciler.app.settings import CACHE, DEFAULT_STATE, SANDBOX_DATA, SANDBOX_STATE, Settings
from reconciler.model.errors import CredentialError, InvalidManifests, Usage
from reconciler.model.manifest import Desired, Project, ProviderSettings
from reconciler.model.plan import Target
from reconciler.model.values import Address, JSONObject, Secret

if TYPE_CHECKING:
    from reconciler.loading.load import Loaded
    from reconciler.model.entry import Entry
    from reconciler.model.ports import Backend, Kind, Provider
    from reconciler.state.lease import Lease
    from reconciler.state.log import Log


class Wiring:
    """Builds what the use cases need, on first use.  Nothing here has effects until asked for.

    `note` gets sentences for people about what is waited for.
    """

    lease_seconds = 60.0
    """How long a lease lasts from each renewal."""

    def __init__(self, settings: Settings, note: Callable[[str], None] = lambda said: None) -> None:
        self.settings = settings
        self.note = note

    @cached_property
    def clock(self) -> SystemClock:
        """The clock, pretended when RECONCILER_NOW says so."""
        return clock_from(self.settings.environ.get("RECONCILER_NOW", ""))

    @cached_property
    def environ(self) -> Mapping[str, str]:
        """The environment that providers see: in the sandbox, the sandbox's own and nothing real."""
        if not self.settings.sandbox:
            return self.settings.environ
        return {name: value for name, value in self._offered.items() if not name.endswith("_ORG_ID")}

    @cached_property
    def _offered(self) -> Mapping[str, str]:
        """The variables of the sandbox in this process; its organizations are for projects that name none."""
        server = sandbox_module("server")
        offered: Mapping[str, str] = server.environment(server.IN_PROCESS)
        return offered

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """Every kind of every provider."""
        from reconciler import providers
        from reconciler.schedule import cron

        return providers.kinds(cron.check)

    def kind(self, address: Address) -> Kind:
        """The kind of an address."""
        return self.kind_table[address.provider, address.kind]

    @cached_property
    def kind_table(self) -> dict[tuple[str, str], Kind]:
        """The kinds by provider and lower-case kind, as addresses spell them."""
        return {(kind.provider, kind.kind.lower()): kind for kind in self.kinds}

    def load(self) -> Loaded:
        """Read the manifests folder; never raises for what is wrong in it."""
        from reconciler import providers
        from reconciler.loading.load import load
        from reconciler.schedule import year

        organizations = {}
        if not self.settings.sandbox:
            for name in {kind.provider for kind in self.kinds}:
                organizations[name] = providers.target(
                    name, environ=self.environ, organization="", endpoint=""
                ).organization
        return load(
            self.settings.folder,
            self.settings.environment,
            self.kinds,
            overrides=self.settings.overrides,
            organizations=organizations,
            variables=self.settings.environ,
            calendar=year,
            cache=CACHE,
        )

    def defaulted(self) -> Mapping[str, Collection[str]]:
        """The fields of a spec that have defaults in this project, by `<provider>/<kind>`; never raises."""
        from reconciler.loading.defaults import defaulted

        return defaulted(self.settings.folder, self.settings.environment, self.kinds)

    def desired(self) -> Desired:
        """What the manifests declare; raises InvalidManifests with every diagnostic."""
        loaded = self.load()
        if loaded.desired is None:
            raise InvalidManifests(loaded.diagnostics)
        return loaded.desired

    def project(self) -> Project:
        """The project file alone; raises InvalidManifests."""
        from reconciler.loading.project import read_project

        return read_project(self.settings.folder)

    def backend(self, project: Project) -> Backend:
        """The storage of this project's and environment's log; `note` is told when it does not answer at once."""
        from reconciler.state.backends import open_backend
        from reconciler.state.patience import Greeted

        return Greeted(open_backend(self.state_url(project), self.log_name(project)), note=self.note)

    def log_name(self, project: Project) -> str:
        """What the log of this project and environment is called."""
        name = f"{project.name}/{self.settings.environment}"
        return f"sandbox:{name}" if self.settings.sandbox else name

    def state_url(self, project: Project) -> str:
        """Where it is; there may be a password in it."""
        if self.settings.sandbox:
            return self.settings.state or SANDBOX_STATE
        return self.settings.state or project.state or DEFAULT_STATE

    def lease(
        self,
        log: Log,
        *,
        run: str,
        command: str,
        note: Callable[[str], None],
        expect: int | None = None,
        extra: Iterable[Entry] = (),
        stop: Callable[[], bool] = lambda: False,
    ) -> Lease:
        """The lease of this project's and environment's log for a run of `command`, to be entered.

        `note` gets a sentence about whom is waited for; the rest is as of `state.lease.Lease`.
        RECONCILER_TRUST_CLOCK says that the clock of this machine is right though the log disagrees.
        """
        from reconciler.state.holder import this_holder
        from reconciler.state.lease import Lease

        holder = this_holder(command)
        return Lease(
            log,
            run=run,
            holder=holder,
            clock=self.clock,
            seconds=self.lease_seconds,
            timeout=self.settings.lock_timeout,
            note=note,
            expect=expect,
            extra=extra,
            stop=stop,
            trust_clock=self.settings.environ.get("RECONCILER_TRUST_CLOCK", "") not in ("", "0"),
        )

    def content(self, address: Address, spec: JSONObject) -> str:
        """The digest of what decides about an export's file."""
        from reconciler.model.canonical import digest

        return digest(self.kind(address).content(spec))

    def targets(self, project: Project, names: Iterable[str], desired: Desired | None = None) -> dict[str, Target]:
        """Where each named provider's requests would go; offline, without credentials."""
        from reconciler import providers

        found = {}
        for name in sorted(set(names)):
            said = project.providers.get(name, ProviderSettings())
            organization = said.organization or self._declared_organization(name, desired)
            endpoint = said.endpoint
            if self.settings.sandbox:
                organization, endpoint = organization or self._offered[f"{name.upper()}_ORG_ID"], ""
            found[name] = providers.target(name, environ=self.environ, organization=organization, endpoint=endpoint)
        return found

    def _declared_organization(self, name: str, desired: Desired | None) -> str:
        for manifest in desired.manifests if desired else ():
            if manifest.address.provider == name and (said := self.kind(manifest.address).organization(manifest.spec)):
                return said
        return ""

    async def connect(
        self,
        stack: AsyncExitStack,
        targets: Mapping[str, Target],
        *,
        timeout: float,
        concurrency: int,
        desired: Desired | None = None,
        read_only: bool = False,
        permit: Callable[[], None] | None = None,
    ) -> dict[str, Provider]:
        """Open a provider per target; raises CredentialError, naming all that is missing, before any request.

        With `read_only` the clients cannot send a mutation; others ask `permit` right before one leaves.
        """
        from reconciler import providers

        app = self._sandbox_app(stack, targets, desired) if self.settings.sandbox and targets else None
        opened, missing = {}, []
        for name, target in targets.items():
            try:
                opened[name] = providers.connect(
                    name,
                    environ=self.environ,
                    organization=target.organization,
                    endpoint=target.endpoint,
                    clock=self.clock,
                    timeout=timeout,
                    concurrency=concurrency,
                    app=app,
                    read_only=read_only,
                    permit=permit,
                )
            except CredentialError as error:
                missing.append(error)
        if missing:
            hints: dict[str, None] = dict.fromkeys(error.hint for error in missing if error.hint)
            hints["or try it without an account: --sandbox"] = None
            raise CredentialError("; ".join(error.message for error in missing), "\n".join(hints))
        return {name: await stack.enter_async_context(provider) for name, provider in opened.items()}

    def _sandbox_app(self, stack: AsyncExitStack, targets: Mapping[str, Target], desired: Desired | None) -> Any:
        store_of = sandbox_module("store")
        server = sandbox_module("server")
        world = sandbox_module("world")
        store = stack.enter_context(closing(store_of.Store(SANDBOX_DATA)))
        world.ensure(
            store,
            self._mentions(desired),
            blue_organization=targets["blue"].organization if "blue" in targets else "",
            pipefy_organization=targets["pipefy"].organization if "pipefy" in targets else "",
        )
        return server.create_app(store, authenticate=True)

    def _mentions(self, desired: Desired | None) -> Mapping[tuple[str, str], Collection[str]]:
        mentioned: dict[tuple[str, str], set[str]] = {}
        for manifest in desired.manifests if desired else ():
            kind = self.kind(manifest.address)
            for sort, ids in kind.mentions(kind.normalise(manifest.spec)).items():
                mentioned.setdefault((kind.provider, sort), set()).update(ids)
        return mentioned

    @property
    def plan_key(self) -> Secret | None:
        """The key that signs saved plans, None when there is none."""
        text = self.settings.environ.get("RECONCILER_PLAN_KEY", "")
        return Secret(text) if text else None


def sandbox_module(name: str) -> Any:
    """Import a module of the sandbox; raises Usage when the extra is not installed."""
    from importlib import import_module

    try:
        return import_module(f"reconciler.sandbox.{name}")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("reconciler"):
            raise
        raise Usage(
            f"the sandbox needs {error.name}, which is not installed",
            "install reconciler[sandbox]",
        ) from error
