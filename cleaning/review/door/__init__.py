"""The guarded door to the App: FiftyOne's server has no login, serves every file and answers every web page."""
