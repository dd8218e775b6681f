"""The database under the App: the user's, or a mongod of our own."""
