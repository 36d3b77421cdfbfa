"""A contract type for import-linter: some modules import nothing but what is listed."""

import sys
from typing import cast

from grimp import DetailedImport, ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyImportsContract(Contract):
    """Let the modules, with what lies in them, import themselves, the standard library and the modules ``allowed``.

    A *forbidden* contract cannot say this: it needs the name of each package that is not to be imported.
    """

    type_name = "only_imports"

    modules = fields.ListField(subfield=fields.StringField())
    allowed = fields.ListField(subfield=fields.StringField(), required=False, default=[])

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001  # import-linter's signature
        """Find the direct imports of anything else."""
        modules = cast("list[str]", self.modules)
        importers = set(modules).union(*map(graph.find_descendants, modules))
        allowed = {*importers, *cast("list[str]", self.allowed), *sys.stdlib_module_names}
        foreign = [
            details
            for importer in sorted(importers)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported not in allowed
            for details in graph.get_import_details(importer=importer, imported=imported)
        ]
        return ContractCheck(kept=not foreign, metadata={"foreign": foreign})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each foreign import with its line."""
        for details in cast("list[DetailedImport]", check.metadata["foreign"]):
            output.print_error(f"{details['importer']} imports {details['imported']} (l.{details['line_number']})")
