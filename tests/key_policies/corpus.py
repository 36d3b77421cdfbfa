"""Key policies with the answers that are true of them, thought out from the documentation and not from our code."""

from __future__ import annotations

from tests.key_policies import not_working, open_doors, sound
from tests.key_policies.case import Case

CASES: list[Case] = [*sound.CASES, *not_working.CASES, *open_doors.CASES]
