"""HTTP bodies ⇄ records, with the standard library alone; the SDK and the collector share it."""

from .checksum import java_hash
from .decoding import (
    INFLATED_BYTES_MAX,
    PARSED_NESTING_MAX,
    RECORDS_MAX,
    Decoded,
    Records,
    decode,
    read_payload,
)
from .editing import content_of, edit_payload, sent_records
from .encoding import encode_data_list

__all__ = [
    "INFLATED_BYTES_MAX",
    "PARSED_NESTING_MAX",
    "RECORDS_MAX",
    "Decoded",
    "Records",
    "content_of",
    "decode",
    "edit_payload",
    "encode_data_list",
    "java_hash",
    "read_payload",
    "sent_records",
]
