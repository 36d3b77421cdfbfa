"""
Run the tasks of a DAG without Airflow's scheduler, for the ``peers`` benchmark; started by it as a process of its own.

It walks the DAG's own operators: the arguments, the order, ``retries``, ``retry_delay`` and ``max_active_tis_per_dag``
are theirs. As many task instances run at once as Airflow's default ``parallelism`` allows, each in a thread. What the
scheduler, the workers' processes and the database cost is left out, which is to the DAG's advantage; ``dag.test()``
would run one mapped instance after another. It knows no more than this DAG needs: one task that lists, and one group of
tasks that is mapped over the list, in which each task needs all that are above it to have succeeded.
"""

from __future__ import annotations

import asyncio
import runpy
import sys
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from airflow.sdk.definitions._internal.expandinput import MappedArgument
from airflow.sdk.definitions.xcom_arg import PlainXComArg
from botocore.exceptions import BotoCoreError, ClientError

PARALLELISM: Final = 32
"""Task instances at once, by Airflow's default (``[core] parallelism``)."""


class Runner:
    """Run the tasks of one DAG once."""

    def __init__(self, dag: Any) -> None:
        # A task is defined after those that it takes something from.
        self._listing, *self._chain = dag.tasks
        self._slots = asyncio.Semaphore(PARALLELISM)
        self._caps = {task.task_id: asyncio.Semaphore(task.max_active_tis_per_dag or PARALLELISM) for task in dag.tasks}
        self._threads = ThreadPoolExecutor(PARALLELISM)
        self.failures: Counter[str] = Counter()

    async def run(self) -> int:
        """Run all, and return how many items there were."""
        items = await self._run_task(self._listing, {}, None)
        await asyncio.gather(*(self._run_chain(item) for item in items))
        return len(items)

    async def _run_chain(self, item: object) -> None:
        results: dict[str, Any] = {}
        for task in self._chain:
            try:
                results[task.task_id] = await self._run_task(task, results, item)
            except (BotoCoreError, ClientError) as error:
                self.failures[f"{task.task_id}: {error}"] += 1
                return

    async def _run_task(self, task: Any, results: Mapping[str, Any], item: object) -> Any:
        arguments = [_resolved(each, results, item) for each in task.op_args]
        for attempt in range(task.retries + 1):
            if attempt:
                await asyncio.sleep(task.retry_delay.total_seconds())
            async with self._caps[task.task_id], self._slots:
                try:
                    return await asyncio.get_running_loop().run_in_executor(
                        self._threads, task.python_callable, *arguments
                    )
                except (BotoCoreError, ClientError):
                    if attempt == task.retries:
                        raise
        return None


def _resolved(argument: object, results: Mapping[str, Any], item: object) -> object:
    if isinstance(argument, MappedArgument):
        return item
    if isinstance(argument, PlainXComArg):
        return results[argument.operator.task_id]
    return argument


def main() -> int:
    """Run the DAG of a file, and say on standard error what failed for good."""
    runner = Runner(runpy.run_path(sys.argv[1])["DAG"])
    items = asyncio.run(runner.run())
    for failure, count in runner.failures.most_common():
        print(f"{count} of {items} chains failed at {failure}", file=sys.stderr)
    return 1 if runner.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
