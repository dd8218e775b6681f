"""The operators that may run in the server: ours, and those of FiftyOne that a review needs.

Others list and download files of the reviewer's, delete samples or fields, or do work that a review has no use for.
"""

from __future__ import annotations

import json

OURS = "@imageclinic/review/"
#: FiftyOne's own, in its plugin ``@voxel51/operators``.
THEIRS = "@voxel51/operators/"
NEEDED = frozenset(
    {
        # The menu of views, and workspaces.
        "list_saved_views",
        "load_saved_view",
        "reload_saved_view",
        "save_view",
        "list_workspaces",
        "load_workspace",
        "save_workspace",
    }
)
#: Bytes of a request to run one, at most.
LARGEST_REQUEST = 16 << 20


def refusal(body: bytes) -> str:
    """Why a request to run an operator is not passed on; empty when its operator may run.

    Args:
        body: JSON with ``operator_uri``, which may end in ``#`` and the name of a panel's method.
    """
    try:
        request = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return "The request is no JSON."
    uri = request.get("operator_uri") if isinstance(request, dict) else None
    if not isinstance(uri, str):
        return "The request names no operator."
    if uri.startswith(OURS) or (uri.startswith(THEIRS) and uri.removeprefix(THEIRS) in NEEDED):
        return ""
    return f"A review does not run the operator {uri}."
