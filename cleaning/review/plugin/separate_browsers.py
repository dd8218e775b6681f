"""Each browser keeps a view, a selection and an open image of its own.

FiftyOne's server holds one state, hands it to every page that opens, and passes on what one page does to all others:
made for a page beside a Python session. Here there is no session, and a second tab or a second reviewer would be
steered. So a page starts from its own address, and nothing is passed on.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import Any


def separate() -> None:
    """Change FiftyOne's server, in whose process this is called. Without the parts it changes (another version of
    FiftyOne), browsers share one state as before."""
    from fiftyone.core.state import StateDescription
    from fiftyone.server.events import dispatch, initialize
    from fiftyone.server.events.state import set_state

    opened = getattr(initialize, "handle_app_initializer", None)
    if opened is None or not hasattr(dispatch, "get_listeners") or hasattr(opened, "__wrapped__"):
        return

    @functools.wraps(opened)
    def from_its_address(subscription: str, initializer: Any) -> Any:
        set_state(StateDescription())
        return opened(subscription, initializer)

    initialize.handle_app_initializer = from_its_address
    dispatch.get_listeners = lambda: defaultdict(set)
