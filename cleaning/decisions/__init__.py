"""The decision log, its replay, policies, survivors, and the cleaned table that follows from them."""
