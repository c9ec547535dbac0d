"""Take requests in JSON, and answer in the same; loaded with the first of them."""

from __future__ import annotations

from policyengine.intake.access_plan import depth
from policyengine.intake.authzen import (
    answer_document,
    read_document,
    read_plain,
    refusal_document,
)
from policyengine.intake.requests import Requests
from policyengine.intake.store import EntityStore
from policyengine.model.decision import Decision
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.runtime import clock
from policyengine.runtime.program import Program


class JsonRequests:
    """Takes the requests in JSON of one engine, which has *program*, *limits* and *store*."""

    def __init__(
        self, program: Program, limits: Limits, store: EntityStore | None, requests: Requests
    ) -> None:
        self._program = program
        self._limits = limits
        self._store = store
        self._requests = requests
        # Whether no request that fits the schema is too deep, however it is written.
        self._is_shallow = depth(program.schema) <= limits.document_depth

    def decide(
        self,
        data: bytes | str,
        accept_now: bool,  # noqa: FBT001 - as it was given
        entities: EntityStore | None,
    ) -> bytes:
        """Decide a request in JSON, and answer in the same; never raises for what it says."""
        store = self._store if entities is None else entities
        decision = self._decide_plain(data, accept_now, store) if self._is_shallow else None
        if decision is not None:
            return answer_document(decision)
        try:
            envelope = read_document(data, self._limits, accept_now=accept_now)
        except InvalidRequest as refusal:
            return refusal_document(refusal, self._program.digest)
        try:
            request = self._requests.validator.validate(
                subject=envelope.subject,
                action=envelope.action,
                resource=envelope.resource,
                context=envelope.context,
                now=clock.now() if envelope.now is None else envelope.now,
                fields=envelope.fields,
                entities=envelope.entities,
                store=store,
            )
        except InvalidRequest as refusal:
            return refusal_document(refusal, self._program.digest, envelope.ignored)
        if entities is None:
            self._requests.open_door(request, envelope.subject)
        return answer_document(self._program.decide(request), envelope.ignored)

    def _decide_plain(
        self,
        data: bytes | str,
        accept_now: bool,  # noqa: FBT001 - as it was given
        store: EntityStore | None,
    ) -> Decision | None:
        """Decide a request in JSON that is plainly valid; None if it must be looked at closely."""
        parts = read_plain(data, self._limits, accept_now=accept_now)
        if parts is None:
            return None
        subject, action, resource, context, now, fields, others = parts
        if store is None and fields is None and others is None:
            decision = self._requests.decide_at(subject, action, resource, context, now)
            if decision is not None:
                return decision
        moment = clock.now() if now is None else now
        request = self._requests.validator.plain(
            subject, action, resource, context, moment, fields, others, store
        )
        return None if request is None else self._program.decide(request)
