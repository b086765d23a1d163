"""Where the other store of the contract tests (moto 5.2) is not S3, by the test that shows it.

None of these is anything that the service asks of a store.
"""

_ITS_OWN = "what only this service promises, beyond S3 or less than it"
_NO_CHECKSUMS = "it does not check or keep checksums"
_NO_PAGES = "its pages differ from S3's: limits are not kept, or common prefixes come again"
_NO_CHECK = "it takes what S3 refuses, or refuses it with another code"
_CONDITIONS = "it decides conditions differently"

DIFFERENCES = {
    "test_aborted_upload_is_gone_with_its_parts": _NO_CHECK,
    "test_body_that_is_not_the_signed_one_is_refused": _NO_CHECKSUMS,
    "test_bucket_tags_are_kept": "it loses a tag's empty value",
    "test_buckets_are_listed_by_name_in_pages": _NO_PAGES,
    "test_caller_identity_has_the_account": _ITS_OWN,
    "test_checksum_of_another_algorithm_is_kept_as_given": _NO_CHECKSUMS,
    "test_checksums_are_verified_and_returned_on_demand": _NO_CHECKSUMS,
    "test_composite_checksum": _NO_CHECKSUMS,
    "test_conditional_copies": _CONDITIONS,
    "test_conditional_reads": _CONDITIONS,
    "test_content_md5_is_verified": _NO_CHECKSUMS,
    "test_copied_range_must_lie_inside_the_source": _NO_CHECK,
    "test_copy_of_nothing_is_refused": _NO_CHECK,
    "test_delete_objects": "it knows versions, and tells of deletions when asked to be quiet",
    "test_delete_objects_takes_at_most_1000": _NO_CHECK,
    "test_entries_say_what_head_says": "the ETag of its composite objects differs from AWS's",
    "test_full_object_crc32_is_joined_from_the_parts": _NO_CHECKSUMS,
    "test_if_range_decides_whether_the_range_counts": "it wants a signature for every request",
    "test_invalid_bucket_names_are_refused": _NO_CHECK,
    "test_key_of_more_than_1024_bytes_is_refused": _NO_CHECK,
    "test_listing_of_uploads_has_pages_and_common_prefixes": _NO_PAGES,
    "test_location_constraint_must_fit_the_endpoint": _NO_CHECK,
    "test_marker_inside_a_common_prefix_passes_it_over": _NO_PAGES,
    "test_object_attributes": _NO_CHECKSUMS,
    "test_operations_that_are_not_here_say_so": _ITS_OWN,
    "test_own_bucket_created_again_is_already_owned_by_you": "as in us-east-1 of old, it agrees",
    "test_page_has_at_most_1000_keys": _NO_PAGES,
    "test_pages_together_are_the_whole_listing": _NO_PAGES,
    "test_part_number_is_1_to_10000": _NO_CHECK,
    "test_parts_can_be_read_by_number": "it gives the whole object for a part's number",
    "test_policy_is_kept_and_must_be_json": _NO_CHECK,
    "test_promises_that_cannot_be_kept_are_refused": _ITS_OWN,
    "test_range_that_is_none_is_ignored": "it answers a range that is none with a part",
    "test_special_keys_survive_every_operation": "it cannot copy keys with some characters",
    "test_start_after": _NO_PAGES,
    "test_too_much_metadata_is_refused": _NO_CHECK,
    "test_unexpected_owner_is_denied": "it has one account for all",
    "test_upload_belongs_to_its_key": _NO_CHECK,
    "test_wrong_arguments_are_refused": _NO_CHECK,
    "test_wrong_lists_of_parts_are_refused": _NO_CHECK,
}

# Of these tests only the cases with these names show it; the others pass there.
CASES = {
    "test_conditional_copies": {"condition1-False", "condition5-False", "condition6-False"},
    "test_conditional_reads": {"condition1-None", "condition9-None", "condition10-None"},
    "test_invalid_bucket_names_are_refused": {
        "Upper",
        "dot..dot",
        "-dash",
        "dash-",
        "1.2.3.4",
        "xn--x",
        "under_score",
    },
    "test_location_constraint_must_fit_the_endpoint": {
        "us-east-1-nowhere-9-InvalidLocationConstraint"
    },
    "test_pages_together_are_the_whole_listing": {
        f"{asked}-list_objects"
        for asked in (
            "-/-1",
            "-/-2",
            "-/-7",
            "-/-64",
            "-/-1000",
            "a-/-1",
            "a-/-2",
            "a/-/-1",
            "a/-/-2",
            "many/-/-1",
            "many/-/-2",
            "many/-/-7",
            "m-x-1",
            "m-x-2",
            "m-x-7",
            "-/x-1",
            "-/x-2",
            "-/x-7",
            "-/x-64",
        )
    },
    "test_part_number_is_1_to_10000": {"0"},
    "test_range_that_is_none_is_ignored": {"chunks=0-1"},
    "test_special_keys_survive_every_operation": {r"tab\tand\nline"},
    "test_start_after": {"/-a/", "/-a/1", r"/-\xe9/1", "/-many/015/x"},
}

# These would fail there at some length.
NOT_RUN = {"test_page_has_at_most_1000_keys"}


def other_differs(test_name):
    """Return why a test, named with its case, fails there, or None where it passes."""
    name, _, case = test_name.partition("[")
    case = case.removesuffix("]").removeprefix("other").removeprefix("-")
    if case not in CASES.get(name, {case}):
        return None
    return DIFFERENCES.get(name)
