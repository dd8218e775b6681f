"""Tables of the schema that have a module of their own."""
