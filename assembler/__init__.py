"""Turns an audit log into a draft profile, and a draft into a promoted one.

    logs ─▶ assembly ─▶ recording ─▶ clients, correlation, polling ─▶ draft ─▶ promote

`assembler.profile` is the format of `profile.yaml`; `assembler.document` reads and writes it.
"""

from assembler.assembly import AssemblyError, DraftStatus, assemble

__all__ = ["AssemblyError", "DraftStatus", "assemble"]
