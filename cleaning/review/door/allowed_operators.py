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
        # The menu of views, the button that groups images, and workspaces.
        "load_group_by",
        "list_saved_views",
        "load_saved_view",
        "reload_saved_view",
        "save_view",
        "list_workspaces",
        "load_workspace",
        "save_workspace",
        # The App asks for these before it draws a grid or opens an image.
        "get_label_schemas",
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
    return "" if _allowed(uri) else f"A review does not run the operator {uri}."


def listed(body: bytes) -> bytes:
    """FiftyOne's answer to what operators there are, or where their buttons go, with those only that may run.

    Args:
        body: JSON with ``operators``, each with its ``uri``, or ``placements``, each with its ``operator_uri``.
    """
    answer = json.loads(body)
    for name, uri in (("operators", "uri"), ("placements", "operator_uri")):
        if name in answer:
            answer[name] = [each for each in answer[name] if _allowed(each[uri])]
    return json.dumps(answer).encode()


def _allowed(uri: str) -> bool:
    return uri.startswith(OURS) or (uri.startswith(THEIRS) and uri.removeprefix(THEIRS) in NEEDED)
