"""Metadata columns become JSON text."""

from __future__ import annotations

import json

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.order_export.convert.values import metadata_json

TEXTS = st.text(st.one_of(st.sampled_from('"\\\n\t\x00\x1f,:{}'), st.characters(exclude_categories=["Cs"])))


@settings(deadline=None)
@given(st.data(), st.lists(TEXTS, unique=True, min_size=1, max_size=4), st.integers(0, 5))
def test_each_row_is_an_object_of_its_texts(data, keys, rows):
    columns = {key: data.draw(st.lists(st.none() | TEXTS, min_size=rows, max_size=rows)) for key in keys}
    written = metadata_json({key: pa.chunked_array([texts], pa.string()) for key, texts in columns.items()}).to_pylist()
    wanted = [{key: columns[key][row] for key in keys if columns[key][row] is not None} for row in range(rows)]
    assert [json.loads(text) if text is not None else {} for text in written] == wanted
    assert [text is None for text in written] == [not members for members in wanted]
