"""The main job on the embedded emulator: `make demo`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / ".demo"
ORDERS = DEMO / "orders.jsonl"
REPORT = DEMO / "report"
OUTPUT = DEMO / "orders.parquet"
HOME = DEMO / f"airflow-{version('apache-airflow')}"  # another version would not take its database
DAG_ID = "voucherify_round_trip"

sys.path.insert(0, str(ROOT))
from tests.orders import order, write_jsonl  # noqa: E402


def main() -> None:
    """Import 10,000 orders of which 3 are bad, export them, and show what came of it."""
    started = time.monotonic()
    DEMO.mkdir(exist_ok=True)
    write_jsonl(ORDERS, [json.dumps(order(number)) if number not in BAD else BAD[number] for number in range(10_000)])

    from airflow_provider_voucherify.emulator import Emulator

    with Emulator(speed=10) as emulator:
        say(f"A local Voucherify listens on {emulator.url}. 10,000 orders lie in {shown(ORDERS)}, 3 of them bad.")
        environment = airflow_environment(emulator)
        if not (HOME / "airflow.db").exists():
            airflow(environment, "db", "migrate")
        say(f"airflow dags test {DAG_ID}")
        airflow(environment, "dags", "test", DAG_ID, "--conf", json.dumps(params()), log=DEMO / "airflow.log")
        calls = emulator.calls()["calls"]
    show(calls)
    say(f"Done in {time.monotonic() - started:.0f} s. The log of Airflow: {shown(DEMO / 'airflow.log')}")
    say(f"Open {shown(REPORT / 'report.html')} in a browser, and read on in docs/start.md (or `make docs`).")


BAD = {
    1_234: json.dumps(order(1_234) | {"amount": 12.34}),
    5_000: '{"source_id": "order-5000", "status": ',
    7_777: json.dumps(order(7_777) | {"status": "PAYED"}),
}


def params() -> dict[str, str]:
    """Give the DAG its paths."""
    return {"orders_path": ORDERS.as_uri(), "report_path": REPORT.as_uri(), "output_path": OUTPUT.as_uri()}


def airflow_environment(emulator) -> dict[str, str]:
    """Set up an Airflow of its own for the demo."""
    connection = {
        "conn_type": "voucherify",
        "host": emulator.url,
        "login": emulator.app_id,
        "password": emulator.app_token,
    }
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_VOUCHERIFY_DEFAULT": json.dumps(connection),
    }


def airflow(environment: dict[str, str], *arguments: str, log: Path | None = None) -> None:
    """Run an Airflow command; show its end if it fails."""
    command = [sys.executable, "-m", "airflow", *arguments]
    done = subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if log:
        log.write_text(done.stdout)
    if done.returncode:
        sys.exit(f"{done.stdout[-5000:]}\nairflow {' '.join(arguments[:2])} failed.")


def show(calls: dict[str, int]) -> None:
    """Show what went in, what was refused and why, and the first rows that came back."""
    import pyarrow.parquet as pq

    summary = json.loads((REPORT / "summary.json").read_bytes())
    say(
        f"In: {summary['orders']:,} orders given, {summary['loaded']:,} loaded, {summary['rejected']} rejected, "
        f"{summary['unknown']} unknown, in {summary['chunks']} imports and {sum(calls.values())} calls."
    )
    say(f"Refused, with their payloads in {shown(REPORT / 'rejected')}:")
    for part in sorted((REPORT / "rejected").glob("part-*.jsonl")):
        for line in part.open():
            entry = json.loads(line)
            print(f"   {entry['position']:<20} {entry['source_id'] or '-':<12} {entry['reason']}")
    table = pq.read_table(OUTPUT)
    say(f"Out: {table.num_rows:,} orders in {shown(OUTPUT)} ({OUTPUT.stat().st_size:,} bytes). The first:")
    columns = ["id", "source_id", "created_at", "status", "total_amount", "metadata"]
    rows = table.select(columns).slice(0, 5).to_pylist()
    widths = [max(len(str(row[name])) for row in [*rows, dict(zip(columns, columns, strict=True))]) for name in columns]
    for row in [dict(zip(columns, columns, strict=True)), *rows]:
        print("   " + "  ".join(f"{row[name]!s:<{width}}" for name, width in zip(columns, widths, strict=True)))


def say(text: str) -> None:
    """Tell the reader what happens."""
    print(f"\n>> {text}", flush=True)


def shown(path: Path) -> str:
    """Name a path as the reader sees it."""
    return str(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
