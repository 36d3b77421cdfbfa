"""The report of an audit as one HTML page that needs nothing else: no script, no font, no request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from string import Template
from typing import Final

from snapshot_dr_provider.domain.audit_report import OPEN, AuditReport, count_by_verdict, in_order
from snapshot_dr_provider.domain.key_policy.findings import Finding, Verdict


def render_page(report: AuditReport) -> str:
    """Write the page; whatever comes from AWS or a policy is escaped, and the page's own policy forbids scripts."""
    findings = in_order(report.findings)
    to_do = [finding for finding in findings if finding.verdict in OPEN]
    done = [finding for finding in findings if finding.verdict not in OPEN]
    return _PAGE.substitute(
        title=escape(f"Audit of {report.dag_id}, {report.run_id}"),
        style=_STYLE,
        kind="red" if report.blocking else "green",
        outcome="Action is needed" if report.blocking else "Nothing stands in the way",
        dag=escape(report.dag_id),
        run=escape(report.run_id),
        written=f"{report.written_at:%Y-%m-%d %H:%M:%S} UTC",
        threshold=escape(report.fail_on.label) + (" and undecided" if report.fail_on_undecided else ""),
        dry_run="<p>Dry run: nothing was to be copied, and no copy was asked for.</p>" if report.dry_run else "",
        counts="".join(_count(name, number) for name, number in count_by_verdict(findings).items()),
        routes=_routes(report),
        to_do="".join(_rule(report, list(group)) for _, group in groupby(to_do, _kind))
        or "<p>No rule was broken, and none was left undecided.</p>",
        done=_done(done),
    )


def _kind(finding: Finding) -> tuple[str, Verdict, int]:
    return finding.rule, finding.verdict, finding.severity


def _count(name: str, number: int) -> str:
    css = name.lower().replace("_", "-")
    return f'<li class="{css if number else "none"}"><b>{number}</b> {escape(name.replace("_", " ").lower())}</li>'


def _routes(report: AuditReport) -> str:
    if not report.routes:
        return ""
    rows = "".join(
        f'<tr class="{"" if route.wanted == route.verified else "missing"}"><td>{escape(route.label)}</td>'
        f"<td>{route.wanted}</td><td>{route.verified}</td></tr>"
        for route in report.routes
    )
    return (
        '<h2>Routes</h2><table class="numbers"><thead><tr><th>Route</th><th>Wanted</th><th>Verified under KMS-C</th>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def _rule(report: AuditReport, findings: Sequence[Finding]) -> str:
    """Write the section of one rule: its title once, then each place where it was broken."""
    first = findings[0]
    blocking = "" if report.is_blocking(first) else '<span class="note">below the threshold</span>'
    head = (
        f'<h3><span class="badge {first.severity.label}">{first.severity.label}</span> '
        f'<span class="badge {first.verdict.value.lower()}">{first.verdict.value.lower()}</span> '
        f"<code>{escape(first.rule)}</code> {escape(first.title)} {blocking}</h3>"
    )
    return f"<section>{head}{''.join(map(_place, findings))}</section>"


def _place(finding: Finding) -> str:
    where = f", <code>{escape(finding.statement)}</code>" if finding.statement else ""
    remedy = f"<pre>{escape(finding.remedy)}</pre>" if finding.remedy else ""
    return (
        f'<article><p class="subject"><code>{escape(finding.subject)}</code>{where}</p>'
        f"<p>{escape(finding.why)}</p>{remedy}</article>"
    )


def _done(findings: Iterable[Finding]) -> str:
    rows = "".join(_done_rows(findings))
    if not rows:
        return ""
    return (
        "<h2>Rules that hold or do not apply</h2><table><thead><tr><th>Rule</th><th>Verdict</th><th>Place</th>"
        f"<th>What it says</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _done_rows(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        why = f' <span class="note">{escape(finding.why)}</span>' if finding.why else ""
        yield (
            f"<tr><td><code>{escape(finding.rule)}</code></td>"
            f"<td>{escape(finding.verdict.value.replace('_', ' ').lower())}</td>"
            f"<td><code>{escape(finding.subject)}</code></td><td>{escape(finding.title)}{why}</td></tr>"
        )


_STYLE: Final = """
:root { --ink: #1d2430; --soft: #5b6575; --line: #d9dee6; --paper: #fff; --shade: #f5f7fa; --red: #b3261e;
  --orange: #b25000; --yellow: #7a6200; --blue: #2b5fad; --green: #1b6e3c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #9aa5b5; --line: #363e4a; --paper: #14181e;
  --shade: #1d232b; --red: #ff8a80; --orange: #ffb074; --yellow: #e8d064; --blue: #8fb8ff; --green: #7fd6a2; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 2rem 1.25rem 4rem; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .75rem; }
h3 { font-size: 1rem; margin: 0 0 .5rem; font-weight: 600; }
code, pre { font: .9em/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
header { border-left: .4rem solid var(--green); padding: .25rem 0 .25rem 1rem; }
header.red { border-color: var(--red); }
header .outcome { color: var(--green); font-weight: 700; }
header.red .outcome { color: var(--red); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .75rem 0; }
dt, .note { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.note { font-weight: 400; font-size: .9em; }
ul.counts { display: flex; flex-wrap: wrap; gap: .5rem; list-style: none; padding: 0; margin: 1.25rem 0 0; }
ul.counts li { border: 1px solid var(--line); border-radius: .5rem; padding: .35rem .8rem; background: var(--shade); }
ul.counts li.fail b { color: var(--red); } ul.counts li.undecided b { color: var(--orange); }
ul.counts li.pass b { color: var(--green); } ul.counts li.none { color: var(--soft); }
section { border: 1px solid var(--line); border-radius: .5rem; padding: .9rem 1rem; margin: 0 0 1rem; }
article { border-top: 1px solid var(--line); padding: .6rem 0 .2rem; }
article p { margin: .15rem 0; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; background: var(--shade); border-radius: .35rem; padding: .6rem .75rem; margin: .5rem 0; }
.badge { border: 1px solid currentColor; border-radius: 1rem; padding: .05rem .55rem; font-size: .8rem; }
.badge.critical, .badge.fail { color: var(--red); } .badge.high { color: var(--orange); }
.badge.medium { color: var(--yellow); } .badge.low { color: var(--blue); } .badge.undecided { color: var(--orange); }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
td:first-child code { white-space: nowrap; }
table.numbers td + td, table.numbers th + th { text-align: right; font-variant-numeric: tabular-nums; }
tr.missing td { color: var(--red); font-weight: 600; }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } section, tr, article { break-inside: avoid; }
  h2, h3 { break-after: avoid; } :root { --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --shade: #f4f4f4;
  --red: #a00; --orange: #940; --yellow: #650; --blue: #035; --green: #050; } }
"""

_PAGE: Final = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header class="$kind">
<h1>Audit of keys and copies</h1>
<p class="outcome">$outcome</p>
<dl>
<dt>DAG</dt><dd><code>$dag</code></dd>
<dt>Run</dt><dd><code>$run</code></dd>
<dt>Written</dt><dd>$written</dd>
<dt>Fails on</dt><dd>$threshold</dd>
</dl>
$dry_run
<ul class="counts">$counts</ul>
</header>
<h2>What has to be done</h2>
$to_do
$routes
$done
</body>
</html>
""")
