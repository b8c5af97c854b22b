"""All questions, in the order of the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_voucherify.probe.question import Question

QUESTIONS = (
    Question(
        name="rate_limit",
        text="How many calls does a period allow, by the rate headers?",
        assumed="nothing: it is read from each response",
    ),
    Question(
        name="rate_period",
        text="How long is the period of the rate headers?",
        assumed="nothing: the headers say when it ends",
    ),
    Question(
        name="import_counts_as",
        text="What does an import count as?",
        assumed="an API call: one limit is kept for all calls",
        supported=("api_calls", None),
    ),
    Question(name="bulk_limit", text="How many imports does a period allow, if they are counted apart?", assumed="-"),
    Question(
        name="new_updated_at",
        text="What is updated_at of an order that was never updated?",
        assumed="null or created_at: both count as never updated",
        supported=("null", "created"),
    ),
    Question(
        name="fields_without_value",
        text="Which fields of a new order are there though nothing was sent for them?",
        assumed="nothing: all of them may be missing",
    ),
    Question(
        name="metadata_update",
        text="Does an update replace metadata, or merge them?",
        assumed="nothing: an order is sent with all its metadata",
    ),
    Question(
        name="unknown_id",
        text="What becomes of an id that is sent and not known?",
        assumed="nothing: ids that are not Voucherify's are refused before they are sent",
    ),
    Question(
        name="amount_mismatch",
        text="What becomes of an amount that is not the sum of the items?",
        assumed="nothing: such orders are refused, or sent as an option says",
    ),
    Question(
        name="import_repeats",
        text="What becomes of orders that repeat a source_id in one import?",
        assumed="nothing: repeated orders are found before they are sent",
    ),
    Question(
        name="import_created_at",
        text="Is created_at of an imported order the one that was sent?",
        assumed="the time of the import (documented)",
        supported=("time of the import", "refused"),
    ),
    Question(
        name="import_amount_mismatch",
        text="What does an import do with an amount that is not the sum of the items?",
        assumed="nothing: such orders are refused, or sent as an option says",
    ),
    Question(
        name="import_customer_id",
        text="What becomes of a customer_id that is imported?",
        assumed="it is not taken: customer.id is sent in its place",
    ),
    Question(
        name="import_unknown_field",
        text="What becomes of a field that orders do not have?",
        assumed="nothing: unknown fields are refused before they are sent",
    ),
    Question(
        name="import_negative_amount",
        text="What becomes of a negative amount?",
        assumed="nothing: negative amounts are refused before they are sent",
    ),
    Question(
        name="action_visible",
        text="Can an async action be read right after its import was accepted?",
        assumed="at once or later: a lost one is searched for until lost_request_timeout",
        supported=("at once", "late"),
    ),
    Question(
        name="order_visible",
        text="Can an imported order be listed as soon as its action is DONE?",
        assumed="nothing: what cannot be found is unknown, and not rejected",
    ),
    Question(
        name="import_mode",
        text="What does an import do with an order whose source_id is known?",
        assumed="nothing: orders are sent twice only with on_unknown='resend'",
    ),
    Question(
        name="import_unchanged",
        text="Does an import that changes nothing of an order set its updated_at?",
        assumed="nothing: reading back compares created_at, status and amount as well",
    ),
    Question(
        name="failed_style",
        text="How does an import report the orders that failed?",
        assumed="as an array or an object",
        supported=("array", "object"),
    ),
    Question(
        name="failed_source_id",
        text="Does a failure say which order it is of?",
        assumed="it may not: such orders are unknown until they are read back",
    ),
    Question(
        name="one_bad_order",
        text="What does one invalid order do to the others of an import?",
        assumed="the whole request is refused (example); the bad orders are found by bisection",
        supported=("all refused", "it alone fails"),
    ),
    Question(
        name="import_limit",
        text="How many orders may an import have? (asked up to 5,000)",
        assumed="2000 (documented); fewer after a refusal",
    ),
    Question(name="body_limit", text="How large may a body be, of the sizes tried?", assumed="8,000,000 bytes"),
    Question(name="gzip_bodies", text="May a body be compressed with gzip?", assumed="no: bodies are sent as they are"),
    Question(
        name="after_includes_bound",
        text="Does $after include its bound?",
        assumed="nothing: a window is asked for with a second more at both ends, and filtered",
        supported=(True, False),
    ),
    Question(
        name="before_includes_bound",
        text="Does $before include its bound?",
        assumed="nothing, as above",
        supported=(True, False),
    ),
    Question(
        name="header_style",
        text="How does an export write the headers of its columns?",
        assumed="as names ('Source ID'), labels ('Creation Date') or fields ('source_id')",
        supported=("display", "label", "field"),
    ),
    Question(
        name="metadata_style",
        text="How does an export write metadata?",
        assumed="as JSON, as columns metadata.X or as columns X",
        supported=("json", "columns", "bare"),
    ),
    Question(
        name="export_amount",
        text="How does an export write the amount 1000?",
        assumed="1000: an integer in the smallest unit",
        supported=("1000",),
    ),
    Question(
        name="export_echo",
        text="Which parameters does an export show?",
        assumed="those that were sent, and perhaps more",
        supported=("sent", "rich"),
    ),
    Question(
        name="export_files", text="How many files does an export have?", assumed="any number: all of them are read"
    ),
    Question(
        name="export_visible",
        text="Can an export be read right after it was requested?",
        assumed="at once or later: a lost one is searched for until lost_request_timeout",
        supported=("at once", "late"),
    ),
    Question(
        name="oauth_token_seconds",
        text="How long does an OAuth token live?",
        assumed="nothing: the response says it (900 documented)",
    ),
    Question(
        name="missing_scope",
        text="What does a token without the scope of a request get?",
        assumed="401 or 403",
        supported=(401, 403),
    ),
    Question(
        name="download_needs_keys",
        text="Does a download need the keys beside the token of its link?",
        assumed="yes: they are sent to Voucherify's hosts",
    ),
    Question(
        name="download_token_seconds",
        text="At which age does a download link still work, of the ages tried?",
        assumed="nothing: a link that is refused is renewed",
    ),
)


def refuted_by(answers: Mapping[str, Any]) -> list[Question]:
    """
    List the questions whose answers contradict what the provider assumes.

    :param answers: Answers by the names of the questions.
    """
    return [
        question
        for question in QUESTIONS
        if question.name in answers and question.is_refuted_by(answers[question.name])
    ]
