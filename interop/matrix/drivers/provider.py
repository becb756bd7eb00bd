"""Terraform providers under a Python host, called by their own protocol."""

from typing import Any

from goplugin_py.terraform import tfplugin5, tfplugin6
from interop.matrix.drivers.python_host import PythonHost
from interop.matrix.drivers.session import Session
from interop.python_host import WAIT

# The first call makes the schema.
BUSY = 4 * WAIT


class Provider(PythonHost):
    """What all providers can do, in protocol 5 and 6."""

    @property
    def protocol(self) -> Any:
        """The messages and stubs of the provider's version."""
        return {5: tfplugin5, 6: tfplugin6}[max(self.peer.versions)]

    @property
    def plugins(self) -> dict[str, type]:  # type: ignore[override]
        return {"provider": self.protocol.ProviderStub}

    def unary(self) -> None:
        with self.session() as session:
            schema = self._schema(session)
            assert not schema.diagnostics
            assert schema.resource_schemas

    def _schema(self, session: Session) -> Any:
        provider = session.dispense("provider")
        request = self.protocol.GetProviderSchema.Request()
        if self.protocol is tfplugin5:
            return session.do(lambda: provider.GetSchema(request, timeout=BUSY))
        return session.do(lambda: provider.GetProviderSchema(request, timeout=BUSY))

    def error(self) -> None:
        """An error of the provider's is an answer with a diagnostic."""
        with self.session() as session:
            provider = session.dispense("provider")
            request = self.protocol.ReadResource.Request(type_name="no_such")
            answer = session.do(lambda: provider.ReadResource(request, timeout=BUSY))
            [diagnostic] = answer.diagnostics
            assert diagnostic.severity == self.protocol.Diagnostic.ERROR
            assert "no_such" in diagnostic.detail
