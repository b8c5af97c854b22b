"""The files of a report: one for each chunk while the job runs, and few at its end."""

from __future__ import annotations

import json

import pytest

from airflow_provider_voucherify.reporting import reject_files
from airflow_provider_voucherify.reporting.reject_files import Outcome, Report


def written(folder, numbers):
    report = Report(folder, "run")
    for number in numbers:
        report.write("rejected", number, [Outcome(f"orders[{number}]", None, "no", b"{}")])
    return report


def chunks(folder):
    parts = sorted((folder / "rejected").iterdir())
    return [json.loads(line)["chunk"] for part in parts for line in part.open()]


def test_the_files_of_all_chunks_become_few(tmp_path, monkeypatch):
    report = written(tmp_path, [*range(1, 30), 1_000_000])
    monkeypatch.setattr(reject_files, "MERGED_BYTES", 2000)
    report.merge()
    names = sorted(part.name for part in (tmp_path / "rejected").iterdir())
    assert 1 < len(names) < 6
    assert names[0].startswith("part-000001-")
    assert sorted(chunks(tmp_path)) == [*range(1, 30), 1_000_000]
    report.remove_unsaved(lambda _number: False)  # all of them had an outcome
    report.merge()
    assert sorted(part.name for part in (tmp_path / "rejected").iterdir()) == names


@pytest.mark.parametrize("removed", [0, 1, 4])
def test_a_merge_that_was_cut_off_is_repeated(tmp_path, removed):
    report = written(tmp_path, range(1, 6))
    before = {part.name: part.read_bytes() for part in (tmp_path / "rejected").iterdir()}
    report.merge()
    for name, content in sorted(before.items())[removed:]:
        (tmp_path / "rejected" / name).write_bytes(content)
    report.merge()
    assert chunks(tmp_path) == [1, 2, 3, 4, 5]
    assert [part.name for part in (tmp_path / "rejected").iterdir()] == ["part-000001-000005.jsonl"]


def test_one_file_stays_as_it_is(tmp_path):
    written(tmp_path, [7]).merge()
    assert [part.name for part in (tmp_path / "rejected").iterdir()] == ["part-000007.jsonl"]


def test_a_log_names_so_many_orders_and_no_more(tmp_path, caplog):
    report = written(tmp_path, range(1, reject_files.LOGGED_OF_A_KIND + 10))
    report.write("unknown", 1, [Outcome("orders[0]", None, "no", b"{}")])
    assert len(caplog.messages) == reject_files.LOGGED_OF_A_KIND + 2
    assert caplog.messages[-2] == "rejected: no more of them are named here"
    assert len(list((tmp_path / "rejected").iterdir())) == reject_files.LOGGED_OF_A_KIND + 9
